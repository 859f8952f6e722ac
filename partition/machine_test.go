package partition

import (
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestSizeClass holds every size to its bound: never below, and at most an eighth above.
func TestSizeClass(t *testing.T) {
	for n := range 3 << 20 {
		got := int(classOf(n).bytes())
		if got < n || got > n+n/8+1 {
			t.Fatalf("%d bytes are counted as %d", n, got)
		}
	}
}

// TestDeliveriesAreBounded gives one session much at once: it comes in several deliveries, each within the bounds, and nothing waits.
func TestDeliveriesAreBounded(t *testing.T) {
	for _, size := range []int{1, 3_000, 400_000} {
		m := NewMachine()
		apply := func(index Index, secs ...section) *Effects {
			raw := appendSection(appendEntryHeader(nil), clockSection{Wall: 1})
			for _, s := range secs {
				raw = appendSection(raw, s)
			}
			fx, err := m.Apply(index, 1, raw)
			if err != nil {
				t.Fatal(err)
			}
			return fx
		}
		apply(1, streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{
			ID: 10, Stream: 1, Kind: KindQueue, Visibility: 1_000, AttemptsMax: 5,
		}})
		n := min(10_000, 3_000_000/size)
		apply(2, blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: testBlock(t, n, size, block.Producer{})})
		fx := apply(3, attachSection{
			Session: sessionNamed("a"), Cursor: CursorID{Subscription: 10}, CreditEvents: CreditEventsMax, CreditBytes: CreditBytesMax,
		})
		given := 0
		for _, g := range fx.Grants {
			events := int(eventsOf(g.Runs))
			if events > deliveryEventsMax || events > 1 && events*size > deliveryBytesMax {
				t.Fatalf("delivery %d has %d events of %d bytes", g.Delivery, events, size)
			}
			given += events
		}
		if given != n || len(fx.Ready) != 0 {
			t.Fatalf("of %d events of %d bytes %d were given in %d deliveries", n, size, given, len(fx.Grants))
		}
		if err := checkInvariants(m); err != nil {
			t.Fatal(err)
		}
	}
}
