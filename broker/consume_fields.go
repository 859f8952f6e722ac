package broker

import (
	"math"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// creditBytesDefault is a credit's bytes when it doesn't say: 16 MiB.
const creditBytesDefault = 16 << 20

// cursorOf is the cursor of a subscription, or of its member.
func cursorOf(sub catalog.Subscription, field, member string) (partition.CursorID, error) {
	id := partition.CursorID{Subscription: partition.SubscriptionID(sub.ID), Member: member}
	name := sub.Topic + "/" + sub.Name
	switch {
	case sub.Kind == freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT && member == "":
		return id, argumentRefused(field, "is empty; %q is a fan-out, so say whose progress it is", name)
	case sub.Kind == freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE && member != "":
		return id, argumentRefused(field, "must be empty; %q is a queue, which has no members", name)
	case len(member) > catalog.NameBytesMax:
		return id, limitExceeded(field, catalog.NameBytesMax, int64(len(member)), "bytes")
	}
	return id, nil
}

// creditOf checks a credit.
func creditOf(field string, c *freshetv1.Credit) (events uint32, bytes uint64, err error) {
	events, bytes = c.GetEvents(), c.GetBytes()
	if bytes == 0 {
		bytes = creditBytesDefault
	}
	if events > partition.CreditEventsMax {
		return 0, 0, limitExceeded(field+".events", partition.CreditEventsMax, int64(events), "")
	}
	if bytes > partition.CreditBytesMax {
		return 0, 0, limitExceeded(field+".bytes", partition.CreditBytesMax, clampInt64(bytes), "")
	}
	return events, bytes, nil
}

// visibilityOf checks a visibility timeout; 0 stands for the subscription's.
func visibilityOf(field string, ms uint32) (time.Duration, error) {
	d := time.Duration(ms) * time.Millisecond
	if ms != 0 && (d < visibilityMin || d > visibilityMax) {
		return 0, outside(field, int64(ms), visibilityMin.Milliseconds(), visibilityMax.Milliseconds())
	}
	return d, nil
}

// delayOf checks how long something is to be put off.
func delayOf(field string, ms uint32) (partition.Tick, error) {
	if int64(ms) > visibilityMax.Milliseconds() {
		return 0, limitExceeded(field, visibilityMax.Milliseconds(), int64(ms), "")
	}
	return partition.Tick(ms), nil
}

// reasonOf checks what a consumer says why.
func reasonOf(field, why string) (string, error) {
	if len(why) > partition.ReasonBytesMax {
		return "", limitExceeded(field, partition.ReasonBytesMax, int64(len(why)), "bytes")
	}
	return why, nil
}

// clampInt64 is for telling of numbers that are far too large.
func clampInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
