package raftlog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestNews: followers apply what was committed within milliseconds, also when nothing follows it. (Time is virtual.)
func TestNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.net.latency(time.Millisecond)
		c.start()
		for group := range c.groups {
			c.writeMany(t, group, "before", 10)
		}
		c.settle(c.ctx)
		for round := range 5 {
			pause(c.ctx, 10*time.Second)
			for group := range c.groups {
				c.write(c.ctx, group, fmt.Sprint("news.", round), 10)
				committed, last := time.Now(), uint64(0)
				for _, p := range c.running() {
					last = max(last, p.ledgers[group].lastIndex())
				}
				for m, p := range c.running() {
					for p.ledgers[group].lastIndex() < last {
						pause(c.ctx, time.Millisecond)
					}
					if took := time.Since(committed); took > 20*time.Millisecond {
						t.Errorf("%s applies entry %d of group %d %v after it was committed", m.name, last, group, took)
					}
				}
			}
		}
	})
}
