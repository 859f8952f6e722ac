package observe_test

import (
	"testing"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/observe"
	"github.com/freshet-mq/freshet/partition"
)

// BenchmarkBlock is everything that is told of one published block that becomes an entry, a delivery and a settle of its own: the most that observing
// can cost. A block has 1 to 1,000 events and more.
func BenchmarkBlock(b *testing.B) {
	m := observe.New("v1", names, full)
	b.ReportAllocs()
	for b.Loop() {
		m.Admitted(20*time.Microsecond, 1_000, 256_000)
		m.Took(partition.StageWait, time.Millisecond)
		m.Took(partition.StageMatch, 10*time.Microsecond)
		m.Took(partition.StagePropose, 50*time.Microsecond)
		m.Batch(partition.StagePropose, 3, 260_000)
		m.Synced(262_144, 300*time.Microsecond)
		m.Took(partition.StageCommit, time.Millisecond)
		m.Took(partition.StageApply, 20*time.Microsecond)
		m.Took(partition.StageDeliver, 80*time.Microsecond)
		m.Batch(partition.StageDeliver, 1_000, 256_000)
		m.Delivered(1, 2*time.Millisecond)
		m.Took(partition.StageAck, time.Millisecond)
		m.Batch(partition.StageAck, 1, -1)
		m.Published("orders", observe.ResultStored, 1_000)
	}
}
