package client

import (
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Retention is what a topic keeps of its events besides those that some subscription hasn't settled, which it always keeps unless Drop is set. Each
// partition keeps its part by itself, and in its log, which takes no more events when it is full. The zero value keeps nothing; of a topic that is to be made
// it leaves the choice to the nodes' configuration (defaults.retention), which is nothing unless it says otherwise.
type Retention struct {
	// Age keeps events that are younger, settled or not: 1 s to 3,650 days. 0: none is kept for its age.
	Age time.Duration
	// Bytes keeps the youngest events, as many as take so many bytes of a partition: at least 1 MiB. 0: none is kept for its bytes. With both, what is
	// beyond either isn't kept.
	Bytes int64
	// Drop: what isn't kept goes although it isn't settled. Each subscription counts what it lost by that (Counts.Dropped, Counts.Skipped), and
	// consumers are told (WithTruncated). It needs Age or Bytes.
	Drop bool
	// Settled: a topic that is to be made keeps nothing, whatever the nodes' configuration says. Without the others; of a topic that is there it isn't set.
	Settled bool
}

// Limits of a topic's retention.
const (
	retentionAgeMin         = time.Second
	retentionAgeMax         = 3_650 * 24 * time.Hour
	retentionBytesMin int64 = 1 << 20
)

func (r Retention) check() error {
	switch {
	case r.Age < 0 || r.Age != 0 && r.Age < retentionAgeMin || r.Age > retentionAgeMax:
		return argumentError("retention.age_ms", "%v: %v to %v are possible", r.Age, retentionAgeMin, retentionAgeMax)
	case r.Bytes < 0 || r.Bytes != 0 && r.Bytes < retentionBytesMin:
		return argumentError("retention.bytes", "%d bytes: at least %d are possible", r.Bytes, retentionBytesMin)
	case r.Drop && r.Age == 0 && r.Bytes == 0:
		return argumentError("retention.drop", "what is to be dropped isn't said: it needs Age or Bytes")
	case r.Settled && r != (Retention{Settled: true}):
		return argumentError("retention.settled", "nothing is to be kept, and Age or Bytes say otherwise")
	}
	return nil
}

func (r Retention) wire() *freshetv1.Retention {
	if r == (Retention{}) {
		return nil
	}
	return &freshetv1.Retention{AgeMs: uint64((r.Age + time.Millisecond - 1) / time.Millisecond), Bytes: uint64(r.Bytes), Drop: r.Drop}
}

func retentionOf(r *freshetv1.Retention) Retention {
	return Retention{Age: time.Duration(r.GetAgeMs()) * time.Millisecond, Bytes: int64(r.GetBytes()), Drop: r.GetDrop()}
}
