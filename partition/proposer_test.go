package partition

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// stillClock reads real time, and a jump; its timers never fire. Whatever is woken by a timer alone stays asleep.
type stillClock struct {
	mu   sync.Mutex
	jump time.Duration
	// read is called once, after a reading.
	read func()
}

func (c *stillClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Add(c.jump)
	if c.read != nil {
		c.read()
		c.read = nil
	}
	return now
}

func (*stillClock) TimerAt(time.Time) (<-chan time.Time, func()) { return nil, func() {} }

func openWith(t *testing.T, o Options) *Partition {
	t.Helper()
	if o.Log == nil {
		o.Log = testNode(t, t.TempDir(), nil)
	}
	o.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
	p, err := openLeading(t, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	for _, err := range []error{p.PutStream(t.Context(), 1), p.PutSubscription(t.Context(), queue(10, ""))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// tooLarge is a command whose entry the log refuses.
func tooLarge() section {
	return settleSection{Sequence: 1, Decisions: []Decision{{Verb: VerbReject, Reason: strings.Repeat("x", raftlog.EntryBytesMax)}}}
}

// What couldn't be read back would stop the replica, now and whenever it starts again.
func TestUnreadableCommandIsRefused(t *testing.T) {
	p := openPartition(t, t.TempDir())
	a, err := p.Attach(t.Context(), AttachCommand{Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}}, newInbox())
	if err != nil {
		t.Fatal(err)
	}
	beyond := []Leased{{Delivery: 1, Runs: []Run{{First: 1<<63 + 1, Count: 1}}}}
	commands := map[string]func() error{
		"settle": func() error {
			_, err := a.Settle(t.Context(), SettleCommand{Sequence: 1, Decisions: []Decision{{Verb: VerbAck, Leased: beyond}}})
			return err
		},
		"credit": func() error { return a.Credit(t.Context(), CreditEventsMax+1, 1) },
		"take": func() error {
			_, err := p.Take(t.Context(), TakeCommand{Cursor: CursorID{Subscription: 10}, Events: ReceiptsMax + 1})
			return err
		},
		"return": func() error {
			_, err := p.Return(t.Context(), Decision{Verb: VerbAck}, make([]Receipt, ReceiptsMax+1))
			return err
		},
		"subscription": func() error {
			fanout := SubscriptionConfig{ID: 11, Stream: 1, Kind: KindFanout, Visibility: 1, AttemptsMax: 1, Members: make([]string, MembersMax+1)}
			return p.PutSubscription(t.Context(), fanout)
		},
		"close": func() error { return a.Close(t.Context(), 0, beyond) },
	}
	for name, command := range commands {
		if err := command(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s answers %v", name, err)
		}
	}
	publish(t, p, "one")
}

func TestCommandsAfterClose(t *testing.T) {
	p := openPartition(t, t.TempDir())
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if err := p.PutStream(t.Context(), 2); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a command is answered %v", err)
		}
		done := func(Published, error) { t.Error("a publication was refused and then answered") }
		err := p.PublishAsync(t.Context(), Publication{Stream: 1, Block: blockOf(t, block.Producer{}, "one")}, done)
		if !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a publication is answered %v", err)
		}
	}
}

// An entry that fails takes its reading of the clock along. What was due is due all the same (P10).
func TestDeadlineOutlivesFailedEntry(t *testing.T) {
	p := openPartition(t, t.TempDir())
	cursor := CursorID{Subscription: 10}
	publish(t, p, "one")
	if _, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 1, Visibility: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for len(p.schedule) > 0 { // until the proposer knows of the deadline
		runtime.Gosched()
	}
	if _, err := p.control(t.Context(), tooLarge()); !errors.Is(err, raftlog.ErrTooLarge) {
		t.Fatalf("the log answers %v", err)
	}
	if err := p.WaitReady(t.Context(), cursor); err != nil {
		t.Fatal(err)
	}
}

// A lease must not begin by a reading that is older than what asked for it: who asks counts from when it did (P4).
func TestReadingIsNotOlderThanItsEntry(t *testing.T) {
	clock := &stillClock{}
	p := openWith(t, Options{Clock: clock})
	for range 10 { // a reading may be one that isn't for an entry
		publish(t, p, "one")
		for len(p.schedule) > 0 {
			runtime.Gosched()
		}
		var asked time.Time
		taken := make(chan answer, 1)
		clock.mu.Lock()
		clock.read = func() { // the clock was read; then time passes, and somebody asks
			clock.jump += 5 * time.Second
			asked = time.Now().Add(clock.jump)
			p.controls <- &command{
				section: takeSection{Cursor: CursorID{Subscription: 10}, Events: 1, Bytes: 1},
				done:    func(res Result, err error) { taken <- answer{res, err} },
			}
		}
		clock.mu.Unlock()
		if err := p.PutStream(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		a := <-taken
		if a.err != nil || len(a.res.Taken.Runs) != 1 {
			t.Fatalf("took %+v, error %v", a.res.Taken, a.err)
		}
		if err := p.PutStream(t.Context(), 2); err != nil { // the partition's clock catches up
			t.Fatal(err)
		}
		now := clock.Now()
		p.replica.look(func(m *Machine) {
			l := m.subscriptions[10].cursors[0].taken[a.res.Taken.Runs[0].First]
			// The partition's clock lags behind by less than a tick.
			if age := m.clock - l.began; age > ticks(now.Sub(asked))+1 {
				t.Errorf("the lease began %v ago, it was asked for %v ago", age, now.Sub(asked))
			}
		})
	}
}

// Of two connections that attach one session at the same time, the machine and the attachments must take the same for the later: otherwise
// one believes to be attached, and gets nothing for ever (P10).
func TestConcurrentAttachments(t *testing.T) {
	p := openPartition(t, t.TempDir())
	c := AttachCommand{Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}, CreditEvents: 5, CreditBytes: 1 << 20}
	for range 20 {
		var all [8]*Attachment
		var wg sync.WaitGroup
		for i := range all {
			wg.Go(func() {
				var err error
				if all[i], err = p.Attach(t.Context(), c, newInbox()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		live := 0
		for _, a := range all {
			select {
			case <-a.Done():
				continue
			default:
			}
			live++
			p.replica.look(func(m *Machine) {
				if s := m.sessions[a.session]; s.connection != a.connection || !s.attached {
					t.Errorf("connection %d is attached, the machine knows connection %d, attached %v", a.connection, s.connection, s.attached)
				}
			})
		}
		if live != 1 {
			t.Fatalf("%d connections are attached", live)
		}
	}
}

// A consumer that leaves while its Attach is on its way is detached, so that its session is forgotten some time.
func TestAbandonedAttach(t *testing.T) {
	p := openPartition(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	p.replica.look(func(*Machine) { // nothing is applied meanwhile
		go func() {
			_, err := p.Attach(ctx, AttachCommand{Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}}, newInbox())
			failed <- err
		}()
		for p.flying.Load() == 0 {
			runtime.Gosched()
		}
		cancel()
		if err := <-failed; !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the attach is answered %v", err)
		}
	})
	for behind := false; !behind || p.Counts(10).Sessions > 0; behind = true {
		if err := p.PutStream(t.Context(), 1); err != nil { // behind the attach, and some time behind the detach
			t.Fatal(err)
		}
	}
	p.replica.look(func(m *Machine) {
		if m.sessions[sessionNamed("ana")] == nil {
			t.Error("the attach was never applied")
		}
	})
}
