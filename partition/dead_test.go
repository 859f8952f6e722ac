package partition

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/proto/block"
)

// deadPartition has eight dead letters on queue 10: {"n":0} to {"n":7}, rejected, every third with key k.
func deadPartition(t *testing.T) (*Partition, CursorID) {
	t.Helper()
	p := openPartition(t, t.TempDir())
	var w block.Writer
	if err := w.Reset(block.Options{}); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		e := block.Event{Data: fmt.Appendf(nil, `{"n":%d}`, i)}
		if i%3 == 0 {
			e.Key = "k"
		}
		if err := w.Append(&e); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), Publication{Stream: 1, Block: raw}); err != nil {
		t.Fatal(err)
	}
	cursor := CursorID{Subscription: 10}
	d, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 8, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var receipts []Receipt
	for at := range Offset(8) {
		receipts = append(receipts, Receipt{cursor, at, d.Epoch})
	}
	if _, err := p.Return(t.Context(), Decision{Verb: VerbReject}, receipts); err != nil {
		t.Fatal(err)
	}
	return p, cursor
}

func patternOf(t *testing.T, text string) *matcher.Pattern {
	t.Helper()
	p, err := matcher.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDeadLettersByWhatTheySay(t *testing.T) {
	p, cursor := deadPartition(t)
	for _, c := range []struct {
		name   string
		filter DeadFilter
		limit  int
		want   string
	}{
		{"all", DeadFilter{}, 9, "[0 1 2 3 4 5 6 7] more false"},
		{"a page", DeadFilter{From: 2}, 3, "[2 3 4] more true from 5"},
		{"pattern", DeadFilter{Pattern: patternOf(t, `{"n":[2,5,6]}`)}, 9, "[2 5 6] more false"},
		{"a page by pattern", DeadFilter{Pattern: patternOf(t, `{"n":[2,5,6]}`)}, 2, "[2 5] more true from 6"},
		{"key", DeadFilter{Key: "k"}, 9, "[0 3 6] more false"},
		{"key and pattern", DeadFilter{Key: "k", Pattern: patternOf(t, `{"n":[2,5,6]}`)}, 9, "[6] more false"},
		{"runs", DeadFilter{Runs: []Run{{1, 2}, {5, 9}}}, 9, "[1 2 5 6 7] more false"},
		{"reason", DeadFilter{Reason: DeadRejected, From: 6}, 9, "[6 7] more false"},
		{"another reason", DeadFilter{Reason: DeadExpired}, 9, "[] more false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.filter.Cursor = cursor
			page, err := p.DeadLetters(t.Context(), c.filter, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			offsets := []Offset{}
			for _, l := range page.Letters {
				offsets = append(offsets, l.Offset)
				if got := fmt.Sprint(blockEvents(t, l.Block)); got != fmt.Sprintf(`[{"n":%d}]`, l.Offset) {
					t.Errorf("the letter at %d is %s", l.Offset, got)
				}
			}
			got := fmt.Sprintf("%v more %v", offsets, page.More)
			if page.More {
				got += fmt.Sprintf(" from %d", page.Next)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRedriveByWhatTheySay(t *testing.T) {
	p, cursor := deadPartition(t)
	redrive := func(f DeadFilter, limit int, dry bool) Redriven {
		t.Helper()
		f.Cursor = cursor
		r, err := p.Redrive(t.Context(), RedriveCommand{DeadFilter: f, Max: limit, DryRun: dry})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	five := DeadFilter{Pattern: patternOf(t, `{"n":[{"numeric":["<",5]}]}`)}
	for _, c := range []struct {
		filter DeadFilter
		max    int
		dry    bool
		want   Redriven
		dead   uint64
	}{
		{five, 9, true, Redriven{Events: 5, Planned: []Run{{0, 5}}}, 8},
		{DeadFilter{}, 9, true, Redriven{Events: 8, Planned: []Run{{0, 8}}}, 8},
		{five, 3, false, Redriven{Events: 3, More: true, Next: 3}, 5},
		{five, 9, false, Redriven{Events: 2}, 3},
		{five, 9, false, Redriven{}, 3}, // they aren't dead any more
		{DeadFilter{}, 2, false, Redriven{Events: 2, More: true, Next: 7}, 1},
		{DeadFilter{Runs: []Run{{0, 8}}}, 9, false, Redriven{Events: 1}, 0},
	} {
		if got := redrive(c.filter, c.max, c.dry); !reflect.DeepEqual(got, c.want) {
			t.Errorf("redrive %+v: got %+v, want %+v", c.filter, got, c.want)
		}
		if n := p.Counts(cursor.Subscription); n.Dead != c.dead || n.Ready != 8-c.dead {
			t.Errorf("after %+v: %+v", c.filter, n)
		}
	}
	d, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 9, Bytes: 1 << 20})
	if err != nil || fmt.Sprint(d.Runs) != "[{0-7 1}]" && len(d.Runs) != 8 {
		t.Fatalf("taken %v, error %v", d.Runs, err)
	}
}
