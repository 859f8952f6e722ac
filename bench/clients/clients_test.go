package clients

import (
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/matcher"
)

// TestPatternsSayWhatIsWanted: what matches is said twice, by a pattern and in Go.
func TestPatternsSayWhatIsWanted(t *testing.T) {
	for _, s := range subscriptions() {
		if s.pattern == "" {
			continue
		}
		p, err := matcher.Parse([]byte(s.pattern))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for number := range uint64(200) {
			m, e, _ := messageOf(number, 12)
			if got := p.Match(matcher.Event{JSON: e.Data}); got != s.wants(m) {
				t.Errorf("%s: event %d matches: %t, wanted: %t", s.name, number, got, s.wants(m))
			}
			if numberOf(e.Data) != history.Message(number) {
				t.Errorf("event %d says that it is %d", number, numberOf(e.Data))
			}
		}
	}
}

// TestMessagesDiffer: events have keys and none, and some of those without are for later.
func TestMessagesDiffer(t *testing.T) {
	const events, keys = 10_000, 12
	seen, later, lengths := map[uint32]int{}, 0, map[int]bool{}
	for number := range uint64(events) {
		_, e, key := messageOf(number+1, keys)
		seen[key]++
		lengths[len(e.Data)] = true
		if (e.Key == "") != (key == 0) || key > keys || key != 0 && !e.DeliverAt.IsZero() {
			t.Fatalf("event %d has the key %q, which is number %d, and is for %v", number, e.Key, key, e.DeliverAt)
		}
		if !e.DeliverAt.IsZero() {
			later++
		}
	}
	if len(seen) != keys+1 || seen[0] < events/6 || seen[0] > events/4 || later < events/25 || later > events/15 || len(lengths) < paddingMax/2 {
		t.Errorf("of %d events %v have the keys, %d are for later; they have %d lengths", events, seen, later, len(lengths))
	}
}

// TestFatesAreTheSeeds: what becomes of a delivery depends on the seed and on what it is (C2), and everything becomes of some.
func TestFatesAreTheSeeds(t *testing.T) {
	one, same, other := &Clients{Options: Options{Seed: 5}}, &Clients{Options: Options{Seed: 5}}, &Clients{Options: Options{Seed: 6}}
	for _, r := range []*reader{{subscription: &subscription{}, number: 1}, {subscription: &subscription{tries: true}, number: 2}} {
		verbs, differ := map[history.Verb]int{}, 0
		for offset := range uint64(10_000) {
			d := &client.Delivery{Offset: offset, Partition: 2, Attempt: 1}
			verb, work := one.fateOf(r, d)
			verbs[verb]++
			if again, takes := same.fateOf(r, d); again != verb || takes != work {
				t.Fatalf("offset %d: %v after %v, and then %v after %v", offset, verb, work, again, takes)
			}
			if another, takes := other.fateOf(r, d); another != verb || takes != work {
				differ++
			}
		}
		if releases := verbs[history.Release]; r.tries != (releases > 3_000) || releases < 200 || verbs[history.Reject] < 10 || differ < 500 {
			t.Errorf("tries %v: %v; with another seed %d differ", r.tries, verbs, differ)
		}
	}
}

// TestGap: the longest time without a confirmed publish has a beginning and an end also where nothing was confirmed.
func TestGap(t *testing.T) {
	at := func(seconds ...int) *history.History {
		h := &history.History{}
		for _, s := range seconds {
			h.Publishes = append(h.Publishes, history.Publish{Outcome: history.OK, Returned: history.Time(s) * time.Second})
		}
		return h
	}
	for _, c := range []struct {
		confirmed []int
		want      int
	}{{nil, 10}, {[]int{3, 1}, 8}, {[]int{2, 7, 9}, 5}, {[]int{6}, 5}} {
		var o Outcome
		if o.count(at(c.confirmed...), time.Second, 11*time.Second); o.Gap != time.Duration(c.want)*time.Second || o.Confirmed != len(c.confirmed) {
			t.Errorf("confirmed at %v: %+v, want a gap of %d s", c.confirmed, o, c.want)
		}
	}
}

// TestOptionsAreChecked: what can't be used is refused before anything is.
func TestOptionsAreChecked(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("clients of nobody are made")
	}
}

// TestSlotsAreNotShared: a publish that is on its way has its number to itself, however many others have come and gone meanwhile.
func TestSlotsAreNotShared(t *testing.T) {
	slots, out := newSlots(), map[uint32]bool{}
	kept := <-slots
	for i := range 3 * outstandingMax {
		slot := <-slots
		if out[slot] || slot == kept || slot == 0 {
			t.Fatalf("slot %d is given while it is taken", slot)
		}
		if out[slot] = true; i%3 > 0 || len(out) == outstandingMax-1 {
			for back := range out {
				delete(out, back)
				slots <- back
				break
			}
		}
	}
}
