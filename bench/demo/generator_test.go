package demo

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// TestPredicatesAgreeWithPatterns puts the generator's events to both: the Go
// predicates that decide in the demo, and the patterns that the node is given,
// as the plain evaluator understands them.
func TestPredicatesAgreeWithPatterns(t *testing.T) {
	const events = 4_000
	for seed := range uint64(2) {
		generator := NewGenerator(seed, events)
		patterns := make([]*matcher.Pattern, len(shopSubscriptions))
		matched := make([]int, len(shopSubscriptions))
		for i, s := range generator.Subscriptions() {
			if s.Pattern == "" {
				continue
			}
			var err error
			if patterns[i], err = matcher.Parse([]byte(s.Pattern)); err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
		}
		for position := range events {
			event, wanted := generator.Event(position)
			parsed := matcher.ParseEvent(matcher.Event{JSON: event})
			if parsed.Err() != nil {
				t.Fatalf("seed %d, %s is no event: %v\n%s", seed, generator.Describe(position), parsed.Err(), event)
			}
			for i, pattern := range patterns {
				got := pattern.MatchParsed(parsed)
				if got != wanted.Has(i) {
					t.Fatalf("seed %d, %s, %s: the pattern says %v, the predicate %v\n%s\n%s", seed, shopSubscriptions[i].Name,
						generator.Describe(position), got, wanted.Has(i), shopSubscriptions[i].Pattern, event)
				}
				if got {
					matched[i]++
				}
			}
		}
		for i, n := range matched {
			// A pattern that hardly ever matches, or always, shows nothing.
			if few := events / 200; n < few || n > events/2 && patterns[i] != nil {
				t.Errorf("seed %d: %s matched %d of %d events", seed, shopSubscriptions[i].Name, n, events)
			}
		}
	}
}

// TestGeneratorIsAFunctionOfSeedAndPosition asks in another order.
func TestGeneratorIsAFunctionOfSeedAndPosition(t *testing.T) {
	const events = 500
	forwards, backwards, other := NewGenerator(1, events), NewGenerator(1, events), NewGenerator(2, events)
	made, ids := make([][]byte, events), map[string]bool{}
	for i := range events {
		made[i], _ = forwards.Event(i)
		var envelope struct{ ID string }
		if err := json.Unmarshal(made[i], &envelope); err != nil {
			t.Fatal(err)
		}
		ids[envelope.ID] = true
	}
	for i := events - 1; i >= 0; i-- {
		if again, _ := backwards.Event(i); !bytes.Equal(again, made[i]) {
			t.Fatalf("event %d is\n%s\nand then\n%s", i, made[i], again)
		}
		if different, _ := other.Event(i); bytes.Equal(different, made[i]) {
			t.Fatalf("event %d is the same whatever the seed: %s", i, different)
		}
	}
	if len(ids) != events {
		t.Errorf("%d events have %d different ids", events, len(ids))
	}
}

func TestFixedPoint(t *testing.T) {
	for want, n := range map[string]int64{"0.00": 0, "0.05": 5, "0.50": 50, "12.50": 1250, "1000.00": 100_000} {
		if got := string(fixedPoint(n, 2)); got != want {
			t.Errorf("%d with 2 decimals is %s, want %s", n, got, want)
		}
	}
}

func TestSubscriptionsFitTheLedger(t *testing.T) {
	for name, subscriptions := range map[string][]Subscription{
		"shop": NewGenerator(0, 0).Subscriptions(), "webhooks": webhookSubscriptions, "survey": surveySubscriptions(survey{}),
	} {
		queues, fanouts, everything, names := 0, 0, 0, map[string]bool{}
		for _, s := range subscriptions {
			names[s.Name] = true
			if s.Fanout() {
				fanouts++
			} else {
				queues++
			}
			if s.Pattern == "" {
				everything++
			}
		}
		if len(names) != 12 || len(subscriptions) != 12 || queues < 2 || fanouts < 2 || everything != 1 || len(readersOf(subscriptions)) > readersMax {
			t.Errorf("%s: %d names, %d queues, %d fan-outs, %d without a pattern, %d readers", name, len(names), queues, fanouts, everything, len(readersOf(subscriptions)))
		}
	}
}

func BenchmarkGenerator(b *testing.B) {
	generator := NewGenerator(1, 1<<30)
	for i := range b.N {
		generator.Event(i)
	}
}
