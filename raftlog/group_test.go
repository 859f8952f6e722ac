package raftlog

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// tally is a machine that counts commands and remembers their sum: enough to see that each is applied once, in order.
type tally struct {
	mu struct {
		sync.Mutex
		commands, sum, lastIndex uint64
	}
}

func (t *tally) Apply(entry Entry) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.commands++
	for _, b := range entry.Data {
		t.mu.sum = t.mu.sum*31 + uint64(b)
	}
	t.mu.lastIndex = entry.Index
	return t.mu.commands
}

func (t *tally) Snapshot(bool) ([]Record, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := binary.BigEndian.AppendUint64(nil, t.mu.commands)
	state = binary.BigEndian.AppendUint64(state, t.mu.sum)
	return []Record{{Key: []byte("tally"), Value: binary.BigEndian.AppendUint64(state, t.mu.lastIndex)}}, nil
}

func (t *tally) Restore(records iter.Seq2[Record, error]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for record, err := range records {
		if err != nil {
			return err
		}
		state := record.Value
		t.mu.commands, t.mu.sum, t.mu.lastIndex = binary.BigEndian.Uint64(state), binary.BigEndian.Uint64(state[8:]), binary.BigEndian.Uint64(state[16:])
	}
	return nil
}

// tallied is a tally's state: commands, sum, last index.
type tallied [3]uint64

func (t *tally) state() tallied {
	t.mu.Lock()
	defer t.mu.Unlock()
	return tallied{t.mu.commands, t.mu.sum, t.mu.lastIndex}
}

// stateOf returns the state of the options' machine.
func stateOf(options Options) tallied { return options.Machine.(*tally).state() }

// testOptions are a group's in a directory, quick to lead.
func testOptions(t testing.TB, dir string) Options {
	t.Helper()
	return Options{
		Dir: dir, Node: "n1", Name: "p0", Machine: &tally{}, ElectionTimeout: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
		Fatal:  func(err error) { t.Errorf("the log failed: %v", err) },
	}
}

// openLeading opens a group, waits until it leads, and closes it with the test.
func openLeading(t testing.TB, options Options) *Group {
	t.Helper()
	g, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	if leading := <-g.Leadership(); !leading.Leading || leading.Term == 0 {
		t.Fatalf("first change of leadership is %+v", leading)
	}
	return g
}

func propose(t testing.TB, g *Group, data []byte) Applied {
	t.Helper()
	applied, err := g.Propose(data).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

func discarded() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestProposeAndReopen(t *testing.T) {
	options := testOptions(t, t.TempDir())
	var want tallied
	for round := range 3 {
		options.Machine = &tally{}
		g := openLeading(t, options)
		if got := stateOf(options); got != want {
			t.Fatalf("round %d begins with %v, want %v", round, got, want)
		}
		// What one goroutine proposes is applied in that order, and answered with its own result.
		var futures []*Future
		for i := range 100 {
			futures = append(futures, g.Propose([]byte{byte(round), byte(i)}))
		}
		var last Applied
		for i, future := range futures {
			applied, err := future.Wait(t.Context())
			if err != nil || applied.Result != want[0]+uint64(i)+1 || applied.Index <= last.Index || applied.Term < last.Term {
				t.Fatalf("round %d, command %d: %+v, %v, after %+v", round, i, applied, err, last)
			}
			last = applied
		}
		want = stateOf(options)
		if status := g.Status(); status.Leader != "n1" || status.Term != last.Term || status.Applied != last.Index {
			t.Fatalf("status %+v after %+v", status, last)
		}
		if usage := g.Usage(); usage.First != 1 || usage.Last < last.Index || usage.Bytes < int64(last.Index)*EntryOverhead {
			t.Fatalf("usage %+v after %+v", usage, last)
		}
		if err := errors.Join(g.Close(), g.Close()); err != nil {
			t.Fatal(err)
		}
		if leadership, open := <-g.Leadership(); open {
			t.Fatalf("after Close: %+v", leadership)
		}
	}
}

// TestTermsRise: each time that the group is opened, it leads in a later term.
func TestTermsRise(t *testing.T) {
	options := testOptions(t, t.TempDir())
	var last uint64
	for range 3 {
		g, err := Open(options)
		if err != nil {
			t.Fatal(err)
		}
		leadership := <-g.Leadership()
		if !leadership.Leading || leadership.Term <= last {
			t.Fatalf("%+v after term %d", leadership, last)
		}
		last = leadership.Term
		if applied := propose(t, g, nil); applied.Term != last {
			t.Fatalf("%+v in term %d", applied, last)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.BytesMax = 4 << 10
	options.CheckpointBytes = 8
	g := openLeading(t, options)
	if _, err := g.Propose(make([]byte, EntryBytesMax+1)).Wait(t.Context()); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("too large: %v", err)
	}
	refused := errors.New("")
	for range 100 {
		if _, refused = g.Propose(make([]byte, 500)).Wait(t.Context()); refused != nil {
			break
		}
	}
	if !errors.Is(refused, ErrFull) {
		t.Fatalf("full: %v", refused)
	}
	// When nobody wants the entries any more, there is room again.
	if err := g.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Retain(RetainNone)
	for {
		_, err := g.Propose(make([]byte, 500)).Wait(t.Context())
		if err == nil {
			break
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Propose(nil).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("closed: %v", err)
	}
	if err := g.Barrier(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("closed: %v", err)
	}
	if err := g.Checkpoint(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("closed: %v", err)
	}
}

// TestNotLeader: before it is elected, a node refuses, and nothing is appended.
func TestNotLeader(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.ElectionTimeout = time.Hour
	g, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Propose([]byte("a")).Wait(t.Context()); !errors.Is(err, ErrNotLeader) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("proposing: %v", err)
	}
	if err := g.Barrier(t.Context()); !errors.Is(err, ErrNotLeader) {
		t.Errorf("barrier: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	options.ElectionTimeout = 10 * time.Millisecond
	openLeading(t, options)
	if got := stateOf(options); got[0] != 0 {
		t.Fatalf("%d commands were applied", got[0])
	}
}

// slow is a machine whose Apply waits until it may.
type slow struct {
	tally
	may chan struct{}
}

func (s *slow) Apply(entry Entry) any {
	<-s.may
	return s.tally.Apply(entry)
}

// TestWaitGivenUp: giving up the wait is an unknown outcome, and the command goes on.
func TestWaitGivenUp(t *testing.T) {
	options := testOptions(t, t.TempDir())
	machine := &slow{may: make(chan struct{})}
	options.Machine = machine
	g := openLeading(t, options)
	future := g.Propose([]byte("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := future.Wait(ctx); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("given up: %v", err)
	}
	close(machine.may)
	if applied, err := future.Wait(t.Context()); err != nil || applied.Result != uint64(1) {
		t.Fatalf("waited again: %+v, %v", applied, err)
	}
	<-future.Done()
	if applied, err := future.Wait(ctx); err != nil || applied.Result != uint64(1) {
		t.Fatalf("an answer that is there, with a context that has ended: %+v, %v", applied, err)
	}
}

// TestBarrier: what was proposed before it is applied when it returns.
func TestBarrier(t *testing.T) {
	options := testOptions(t, t.TempDir())
	g := openLeading(t, options)
	for range 50 {
		g.Propose([]byte("a"))
	}
	if err := g.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := stateOf(options); got[0] != 50 {
		t.Fatalf("%d commands are applied", got[0])
	}
}

// TestVerify: who leads is told so, and nothing is appended for it; who doesn't, or not any more, isn't.
func TestVerify(t *testing.T) {
	options := testOptions(t, t.TempDir())
	g := openLeading(t, options)
	propose(t, g, []byte("a"))
	last := g.raft.Load().LastIndex()
	for range 10 {
		if err := g.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if now := g.raft.Load().LastIndex(); now != last {
		t.Errorf("the log went from %d to %d", last, now)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Verify(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestCloseUnderLoad closes while many propose: every future is answered, and the log has exactly the commands that were
// said to be applied.
func TestCloseUnderLoad(t *testing.T) {
	for range 5 {
		options := testOptions(t, t.TempDir())
		g := openLeading(t, options)
		var applied, refused atomic.Uint64
		var proposers sync.WaitGroup
		for range 8 {
			proposers.Go(func() {
				for refused.Load() == 0 {
					_, err := g.Propose(make([]byte, 100)).Wait(context.Background())
					switch {
					case err == nil:
						applied.Add(1)
					case errors.Is(err, ErrClosed):
						refused.Add(1)
					default:
						t.Errorf("neither applied nor refused: %v", err)
						refused.Add(1)
					}
				}
			})
		}
		for applied.Load() < 50 {
			runtime.Gosched()
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		proposers.Wait()
		options.Machine = &tally{}
		openLeading(t, options)
		if got := stateOf(options); got[0] != applied.Load() {
			t.Fatalf("%d commands were answered, %d are in the log", applied.Load(), got[0])
		}
	}
}

// TestLeadershipUnread: nobody has to read the channel.
func TestLeadershipUnread(t *testing.T) {
	g, err := Open(testOptions(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for g.Barrier(t.Context()) != nil {
		runtime.Gosched()
	}
	propose(t, g, nil)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if leadership, open := <-g.Leadership(); open {
		t.Fatalf("told after Close: %+v", leadership)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Dir: "d", Node: "n", Name: "g", Machine: &tally{}}
	for field, spoil := range map[string]func(*Options){
		"Dir":             func(o *Options) { o.Dir = "" },
		"Node":            func(o *Options) { o.Node = strings.Repeat("n", 129) },
		"Name":            func(o *Options) { o.Name = "" },
		"Machine":         func(o *Options) { o.Machine = nil },
		"BytesMax":        func(o *Options) { o.BytesMax = -1 },
		"CheckpointBytes": func(o *Options) { o.CheckpointBytes = -1 },
		"CacheBytes":      func(o *Options) { o.CacheBytes = -1 },
		"ElectionTimeout": func(o *Options) { o.ElectionTimeout = time.Millisecond },
	} {
		options := good
		spoil(&options)
		if _, err := Open(options); err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s: %v", field, err)
		}
	}
	good.EnsureDefaults()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestLibraryLogs(t *testing.T) {
	var text strings.Builder
	logger := newRaftLogger(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	logger.Error("failed to commit logs", "error", errDisk)
	logger.Warn("heartbeat timeout reached", "last-leader", "")
	logger.Info("initial configuration", "servers", hclog.Fmt("%+v", []int{1}))
	const want = `level=ERROR msg="failed to commit logs" from=raft error="input/output error"
level=INFO msg="heartbeat timeout reached" from=raft last-leader=""
level=DEBUG msg="initial configuration" from=raft servers=[1]
`
	if text.String() != want {
		t.Errorf("logged\n%s\nwant\n%s", text.String(), want)
	}
}
