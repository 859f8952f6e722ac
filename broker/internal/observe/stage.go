package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-mq/freshet/partition"
)

// stage has the histograms of one stage of an event's way. They are looked up once, so that observing costs no more than finding the bucket.
type stage struct {
	took prometheus.Observer
	// items and bytes are nil where the stage has none of its own.
	items, bytes prometheus.Observer
}

// batch notes how much the stage took at once. -1: it has none of that.
func (s stage) batch(items, bytes int) {
	if s.items != nil && items >= 0 {
		s.items.Observe(float64(items))
	}
	if s.bytes != nil && bytes >= 0 {
		s.bytes.Observe(float64(bytes))
	}
}

// stages are those of all.
type stages struct{ took, items, bytes *prometheus.HistogramVec }

func newStages() stages {
	made := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"stage"})
	}
	return stages{
		took:  made("freshet_stage_duration_seconds", "Time that a stage of an event's way took, for a block, entry, delivery or settle.", stageBuckets),
		items: made("freshet_stage_batch_items", "How much a stage took at once: events of a block or delivery, commands of an entry, deliveries that a settle names.", itemBuckets),
		bytes: made("freshet_stage_batch_bytes", "How many bytes a stage took at once: of a block, an entry, a write of the log, a delivery.", byteBuckets),
	}
}

// named is one stage, with what it has of its own.
func (s stages) named(name string, items, bytes bool) stage {
	one := stage{took: s.took.WithLabelValues(name)}
	if items {
		one.items = s.items.WithLabelValues(name)
	}
	if bytes {
		one.bytes = s.bytes.WithLabelValues(name)
	}
	return one
}

// of is a stage of the partition's.
func (s stages) of(p partition.Stage) stage {
	sized := p == partition.StagePropose || p == partition.StageDeliver
	return s.named(p.String(), sized || p == partition.StageAck, sized)
}
