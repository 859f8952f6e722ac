package catalog

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/catalog/catalogpb"
)

// Retention is what a topic keeps of its events besides those that some subscription hasn't settled. Its fields mean what they mean in
// freshet.v1.Retention. The zero value keeps nothing.
type Retention struct {
	AgeMs, Bytes uint64
	Drop         bool
}

func (r Retention) check() *Error {
	switch {
	case r.AgeMs != 0 && (r.AgeMs < RetentionAgeMinMs || r.AgeMs > RetentionAgeMaxMs):
		return outside("retention.age_ms", clampInt64(r.AgeMs), RetentionAgeMinMs, RetentionAgeMaxMs)
	case r.Bytes != 0 && (r.Bytes < RetentionBytesMin || r.Bytes > RetentionBytesMax):
		return outside("retention.bytes", clampInt64(r.Bytes), RetentionBytesMin, RetentionBytesMax)
	case r.Drop && r.AgeMs == 0 && r.Bytes == 0:
		return wrong("retention.drop", "is set without age_ms or bytes; it needs one of them")
	}
	return nil
}

// String is for people: "settled", "168h0m0s", "1073741824 bytes", with ", then dropped" where it drops.
func (r Retention) String() string {
	var parts []string
	if r.AgeMs > 0 {
		parts = append(parts, (time.Duration(r.AgeMs) * time.Millisecond).String())
	}
	if r.Bytes > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", r.Bytes))
	}
	if len(parts) == 0 {
		return "settled"
	}
	if r.Drop {
		parts = append(parts, "then dropped")
	}
	return strings.Join(parts, ", ")
}

func (r Retention) form() *catalogpb.Retention {
	if r == (Retention{}) {
		return nil
	}
	return &catalogpb.Retention{AgeMs: r.AgeMs, Bytes: r.Bytes, Drop: r.Drop}
}

func retentionOf(m *catalogpb.Retention) Retention {
	return Retention{AgeMs: m.GetAgeMs(), Bytes: m.GetBytes(), Drop: m.GetDrop()}
}

// clampInt64 is a number as far as an int64 goes.
func clampInt64(n uint64) int64 { return int64(min(n, 1<<63-1)) }
