package client

import (
	"fmt"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Start is where a subscription begins.
type Start uint8

// The starts.
const (
	// Latest begins behind what is there.
	Latest Start = iota
	// Earliest begins with the oldest event that the topic still holds: because another subscription hasn't settled it, or by its retention.
	Earliest
)

// String is "latest" or "earliest".
func (s Start) String() string {
	switch s {
	case Latest:
		return "latest"
	case Earliest:
		return "earliest"
	default:
		return fmt.Sprintf("start(%d)", uint8(s))
	}
}

func startOf(s freshetv1.SubscriptionStart) Start {
	if s == freshetv1.SubscriptionStart_SUBSCRIPTION_START_EARLIEST {
		return Earliest
	}
	return Latest
}
