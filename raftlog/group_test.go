package raftlog

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"testing"
	"time"
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

func (t *tally) Snapshot() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := binary.BigEndian.AppendUint64(nil, t.mu.commands)
	state = binary.BigEndian.AppendUint64(state, t.mu.sum)
	return binary.BigEndian.AppendUint64(state, t.mu.lastIndex), nil
}

func (t *tally) Restore(state []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.commands, t.mu.sum, t.mu.lastIndex = binary.BigEndian.Uint64(state), binary.BigEndian.Uint64(state[8:]), binary.BigEndian.Uint64(state[16:])
	return nil
}

func (t *tally) state() [3]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return [3]uint64{t.mu.commands, t.mu.sum, t.mu.lastIndex}
}

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

func TestProposeAndReopen(t *testing.T) {
	dir := t.TempDir()
	options := testOptions(t, dir)
	g := openLeading(t, options)
	for i := range 10 {
		applied := propose(t, g, []byte{byte(i)})
		if applied.Result != uint64(i+1) {
			t.Fatalf("command %d: %+v", i, applied)
		}
	}
	want := options.Machine.(*tally).state()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	options.Machine = &tally{}
	g = openLeading(t, options)
	if got := options.Machine.(*tally).state(); got != want {
		t.Errorf("after reopening the machine has %v, want %v", got, want)
	}
}
