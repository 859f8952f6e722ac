package raftlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// TestRetainedReads: checkpoints come and go, and what is retained can still be read: from memory, from disk, and after
// the group was opened again.
func TestRetainedReads(t *testing.T) {
	for _, cacheBytes := range []int64{1, 1 << 20} {
		t.Run(fmt.Sprintf("cache=%d", cacheBytes), func(t *testing.T) {
			options := testOptions(t, t.TempDir())
			options.CacheBytes = cacheBytes
			g := openLeading(t, options)
			data := map[uint64]string{}
			for i := range 60 {
				command := fmt.Sprintf("command %d", i)
				data[propose(t, g, []byte(command)).Index] = command
				if i%20 == 19 {
					if err := g.Checkpoint(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			check := func() {
				t.Helper()
				for index, command := range data {
					if entry, err := g.Read(index); err != nil || string(entry.Data) != command || entry.Index != index || entry.Term == 0 {
						t.Fatalf("entry %d: %+v, %v", index, entry, err)
					}
				}
			}
			check()
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			options.Machine = &tally{}
			g = openLeading(t, options)
			check()
			if got := stateOf(options); got[0] != 60 {
				t.Fatalf("%d commands after reopening", got[0])
			}
			for _, index := range []uint64{0, 1, g.Usage().Last + 1} { // entry 1 made the group
				if entry, err := g.Read(index); !errors.Is(err, ErrNotRetained) {
					t.Fatalf("entry %d: %+v, %v", index, entry, err)
				}
			}
		})
	}
}

// TestReclaim: what nobody wants goes from disk by itself while commands go on, the log stays within a few checkpoints,
// and the file's pages are used again.
func TestReclaim(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.CheckpointBytes = 256 << 10
	options.CacheBytes = 1
	g := openLeading(t, options)
	g.Retain(RetainNone)
	var most int64
	for i := range 600 { // 4.8 MB
		propose(t, g, []byte(strings.Repeat("x", 8<<10)))
		if i > 300 {
			most = max(most, g.Usage().Bytes)
		}
	}
	usage := g.Usage()
	if usage.First < 300 {
		t.Fatalf("entries %d to %d are still there", usage.First, usage.Last)
	}
	// Two checkpoints behind, one coming, one being taken, and what is free but not yet removed.
	if limit := 5 * options.CheckpointBytes; most > limit {
		t.Fatalf("up to %d bytes were held; a checkpoint is taken every %d", most, options.CheckpointBytes)
	}
	if _, err := g.Read(2); !errors.Is(err, ErrNotRetained) {
		t.Fatalf("entry 2: %v", err)
	}
	info, err := os.Stat(filepath.Join(options.Dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("5 MB passed through; at most %d bytes were held, the file has %d", most, info.Size())
}

// TestRetainHolds: entries from the retained position on stay, those before it go.
func TestRetainHolds(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.CheckpointBytes = 1 << 10 // and 128 bytes are worth a removal
	g := openLeading(t, options)
	var indexes []uint64
	for range 30 {
		indexes = append(indexes, propose(t, g, make([]byte, 100)).Index)
	}
	g.Retain(indexes[20])
	g.Retain(indexes[10]) // not back
	for range 10 {
		propose(t, g, make([]byte, 1000))
	}
	for g.Usage().First < indexes[20] { // the checkpoints are another goroutine's
		propose(t, g, make([]byte, 1000))
	}
	if first := g.Usage().First; first != indexes[20] {
		t.Fatalf("entries from %d on are held; %d is retained", first, indexes[20])
	}
	if _, err := g.Read(indexes[20]); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadableCheckpoint damages the newest of two: the group falls back on the older one, and finds the log behind it.
func TestUnreadableCheckpoint(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.CheckpointBytes = 8 // whatever may go, goes
	options.CacheBytes = 1
	g := openLeading(t, options)
	g.Retain(RetainNone)
	for range 50 {
		propose(t, g, []byte("command"))
	}
	if err := g.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := stateOf(options)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	damage := func(nth int) {
		states, err := filepath.Glob(filepath.Join(options.Dir, snapshotsDir, "*", "state.bin"))
		if err != nil || len(states) != snapshotsKept {
			t.Fatalf("%d snapshots, %v", len(states), err)
		}
		slices.SortFunc(states, func(a, b string) int { return int(snapshotIndex(t, b)) - int(snapshotIndex(t, a)) })
		if err := os.WriteFile(states[nth], []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage(0)
	options.Machine = &tally{}
	options.Logger = discarded()
	g = openLeading(t, options)
	if got := stateOf(options); got != want {
		t.Fatalf("the machine has %v, want %v", got, want)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	// With none left it refuses, rather than to begin again.
	damage(1)
	if g, err := Open(options); err == nil {
		t.Fatalf("opened without a readable checkpoint: %v", g.Close())
	}
}

func snapshotIndex(t *testing.T, state string) (index uint64) {
	t.Helper()
	var term, at uint64
	if _, err := fmt.Sscanf(filepath.Base(filepath.Dir(state)), "%d-%d-%d", &term, &index, &at); err != nil {
		t.Fatal(err)
	}
	return index
}

// mute is a machine that gives no snapshot.
type mute struct{ tally }

var errMute = errors.New("not now")

func (*mute) Snapshot(bool) ([]Record, error) { return nil, errMute }

func TestMachineWithoutSnapshot(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.Machine = &mute{}
	options.Logger = discarded()
	g := openLeading(t, options)
	g.Retain(RetainNone)
	propose(t, g, []byte("a"))
	if err := g.Checkpoint(t.Context()); err == nil || !strings.Contains(err.Error(), errMute.Error()) {
		t.Fatalf("checkpoint: %v", err)
	}
	// The group goes on, and keeps what no checkpoint covers.
	propose(t, g, []byte("b"))
	if first := g.Usage().First; first != 1 {
		t.Fatalf("entries from %d on are held", first)
	}
}

func TestCheckpointOfNothing(t *testing.T) {
	g := openLeading(t, testOptions(t, t.TempDir()))
	for range 2 {
		if err := g.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSnapshotsOfTheLibrary: the library's own timer must be off, whatever it thinks of counts.
func TestSnapshotsOfTheLibrary(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.EnsureDefaults()
	config := newGroup(options.settings()).raftConfig()
	if err := raft.ValidateConfig(config); err != nil {
		t.Fatal(err)
	}
	if config.SnapshotInterval < never || config.SnapshotThreshold != 1<<64-1 {
		t.Fatalf("interval %v, threshold %d", config.SnapshotInterval, config.SnapshotThreshold)
	}
}
