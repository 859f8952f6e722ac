package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/partition"
)

// shiftedClock is the machine's, and some time besides.
type shiftedClock struct {
	partition.SystemClock
	by time.Duration
}

func (c shiftedClock) Now() time.Time { return time.Now().Add(c.by) }

func (c shiftedClock) TimerAt(at time.Time) (<-chan time.Time, func()) {
	return c.SystemClock.TimerAt(at.Add(-c.by))
}

// TestClocks: a node whose clock is another than the others' isn't agreed with, and they still agree with each other.
func TestClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.adjust = func(o *Options) {
			if o.Node == "n2" {
				o.Clock = shiftedClock{by: 2 * clocksApart}
			}
		}
		c.startAll()
		for name, want := range map[string]bool{"n1": true, "n2": false, "n3": true} {
			c.eventually("a comparison at "+name, func(m *clusterMember) bool { return m.name == name && m.node.clocks.agree() == want })
		}
		c.members[0].kill()
		c.eventually("a clock that nobody agrees with", func(m *clusterMember) bool { return m.name == "n3" && !m.node.clocks.agree() })
	})
}
