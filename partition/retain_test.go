package partition

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// However many publish at once, the part of the log that is for acks stays theirs.
func TestPublishersLeaveRoomForAcks(t *testing.T) {
	p := openWith(t, Options{Log: testNode(t, t.TempDir(), smallLog)})
	var wg sync.WaitGroup
	for range 600 {
		wg.Go(func() {
			_, err := p.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 50_000, block.Producer{})})
			if full := (*LogFullError)(nil); err != nil && !errors.As(err, &full) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// A log that is nearly full makes room by moving what is wanted to its front (raftlog's DESIGN.md, "When logs are full"): for a moment that takes some of the
	// part that publishers leave, never all of it.
	if u := p.group.Usage(); u.Bytes >= u.BytesMax || u.Bytes < u.BytesMax/2 {
		t.Fatalf("the log holds %d bytes of %d, publishing may use %d", u.Bytes, u.BytesMax, publishingLimit(u))
	}
	if _, err := p.Take(t.Context(), TakeCommand{Cursor: CursorID{Subscription: 10}, Events: 1}); err != nil {
		t.Fatal(err)
	}
}

// TestFewLargeEntries: what a partition no longer wants leaves the log also when it is a few large entries, behind which nothing more comes; else another partition's
// publishers would find the log full of it.
func TestFewLargeEntries(t *testing.T) {
	log := testNode(t, t.TempDir(), smallLog)
	open := func(number uint32) *Partition {
		t.Helper()
		p := openWith(t, Options{Number: number, Log: log})
		if err := p.PutStream(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		return p
	}
	b := testBlock(t, 1, 95_000, block.Producer{}) // about the largest that a log of this size takes
	put := func(p *Partition) {
		t.Helper()
		eventually(t, "the log has room", func() bool {
			_, err := p.Publish(t.Context(), Publication{Stream: 2, Block: b}) // nobody has subscribed to it
			if full := (*LogFullError)(nil); err != nil && !errors.As(err, &full) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	for number := range uint32(3) {
		poured := open(1 + number)
		for range 3 * retainEvery / 4 {
			put(poured)
		}
		// But for the last of them a checkpoint is all that they wait for, and that the log asks for by itself.
		eventually(t, "nobody wants the oldest entries", func() bool {
			return !slices.ContainsFunc(log.Pins(), func(p raftlog.Pin) bool { return p.Retained && p.Bytes > trimBytes })
		})
	}
	for busy := open(4); busy.group.Usage().Last < 3*retainEvery; {
		put(busy)
	}
}

// TestIdleOwnerIsAsked: a partition whose last command freed much of the log, and that has nothing to do any more, lets go of it when others need the room.
func TestIdleOwnerIsAsked(t *testing.T) {
	log := testNode(t, t.TempDir(), smallLog)
	idle := openWith(t, Options{Number: 1, Log: log})
	for range 3 * retainEvery / 4 {
		if _, err := idle.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 95_000, block.Producer{})}); err != nil {
			t.Fatal(err)
		}
	}
	cursor := CursorID{Subscription: 10}
	d, err := idle.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 1_000, Bytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var receipts []Receipt
	for _, r := range d.Runs {
		for i := range r.Count {
			receipts = append(receipts, Receipt{cursor, r.First + Offset(i), d.Epoch})
		}
	}
	if len(receipts) != 3*retainEvery/4 {
		t.Fatalf("took %d events", len(receipts))
	}
	for (idle.group.Usage().Last+1)%trimEvery < 4 { // the look of its own would come just then
		publish(t, idle, "small")
	}
	if lost, err := idle.Return(t.Context(), Decision{Verb: VerbAck}, receipts); err != nil || len(lost) > 0 {
		t.Fatalf("%d lost, %v", len(lost), err)
	}
	kept := func() bool {
		return slices.ContainsFunc(log.Pins(), func(p raftlog.Pin) bool { return p.Group == GroupOf(1) && p.Retained && p.Bytes > trimBytes })
	}
	if !kept() {
		t.Fatal("it has let go of them by itself: there is nothing to see")
	}
	busy := openWith(t, Options{Number: 2, Log: log})
	eventually(t, "it is asked", func() bool {
		_, err := busy.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 95_000, block.Producer{})})
		if full := (*LogFullError)(nil); err != nil && !errors.As(err, &full) {
			t.Fatal(err)
		}
		return !kept()
	})
}
