package raftlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/wal"
)

// TestThreeNodes: groups of three nodes apply what is written to them, and start again with it.
func TestThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.start()
		for i := range 200 {
			c.write(c.ctx, i%2, fmt.Sprint(i), 100)
		}
		c.settle(c.ctx)
		for _, m := range c.members {
			m.close()
		}
		for _, m := range c.members {
			m.open()
		}
		c.settle(c.ctx)
	})
}

// TestLoneVoter: a group of one node leads at once.
func TestLoneVoter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.members = c.members[:1]
		began := time.Now()
		c.start()
		c.write(c.ctx, 0, "a", 10)
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it led after %v", took)
		}
	})
}

// TestIdleGroup: a group that nobody writes to does not keep the log from forgetting what a busy one wrote.
func TestIdleGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.tuneGroup = func(o *GroupOptions) { o.CheckpointBytes, o.CheckpointEvery = 64<<10, time.Hour }
		c.start()
		c.leader(c.ctx, 1)
		// Each writes twice what its log may hold: how much that is in entries depends on how many it gets at once.
		for i, wrote := 0, false; !wrote && i < 50_000; i++ {
			c.write(c.ctx, 0, fmt.Sprint(i), 200)
			if i%10 == 9 {
				pause(c.ctx, time.Millisecond) // a follower that was given up for a moment is tried again when time passes
			}
			wrote = i%100 == 99
			for _, p := range c.running() {
				wrote = wrote && p.node.LogStats().BytesWritten >= uint64(2*p.node.Usage().BytesMax)
			}
		}
		c.settle(c.ctx)
		for m, p := range c.running() {
			stats, usage := p.node.LogStats(), p.node.Usage()
			if stats.SegmentsRetired < uint64(usage.BytesMax/testSegmentBytes) || usage.Bytes > usage.BytesMax*3/4 {
				t.Errorf("%s has retired %d segments, and holds %+v, pinned by %+v", m.name, stats.SegmentsRetired, usage, p.node.Pins())
			}
		}
		// The idle one is as it was, also after a restart.
		for _, m := range c.members {
			m.close()
			m.open()
		}
		c.write(c.ctx, 1, "idle", 10)
		c.settle(c.ctx)
	})
}

// TestPins: who keeps the log is named.
func TestPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.members = c.members[:1]
		c.retain = 1
		c.start()
		c.writeMany(t, 1, "a", 200)
		m := c.members[0]
		for _, g := range m.running.Load().groups {
			if err := g.Checkpoint(c.ctx); err != nil {
				t.Fatal(err)
			}
		}
		want := func(group GroupNumber, retained bool) {
			t.Helper()
			pins := m.running.Load().node.Pins()
			if len(pins) == 0 || pins[0].Group != group || pins[0].Retained != retained {
				t.Fatalf("pinned by %+v", pins)
			}
		}
		want(2, true)
		m.group(1).Retain(RetainNone)
		synctest.Wait()
		if pins := m.running.Load().node.Pins(); len(pins) != 0 && pins[0].Retained {
			t.Fatalf("pinned by %+v", pins)
		}
	})
}

// TestRemove: a removed group is gone, on whatever side of a crash, and its number can't be confused with another's.
func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.members = c.members[:1]
		c.start()
		m := c.members[0]
		c.writeMany(t, 0, "a", 5)
		c.writeMany(t, 1, "a", 5)
		node := m.running.Load().node
		for _, g := range node.Groups() {
			if err := g.Checkpoint(c.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(node.Remove(1), node.Remove(1), node.Remove(7)); err != nil {
			t.Fatal(err)
		}
		if known := node.Known(); !slices.Equal(known, []GroupNumber{2}) {
			t.Fatalf("after a removal the node knows %v", known)
		}
		if _, err := m.group(0).Propose(nil).Wait(c.ctx); !errors.Is(err, ErrClosed) {
			t.Fatalf("a removed group: %v", err)
		}
		// A crash between the two parts of a removal.
		part, err := node.entries.Group(wal.GroupID(2))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(part.Set(keyRemoving, []byte{1}), node.states.Remove(2)); err != nil {
			t.Fatal(err)
		}
		m.crash(0)
		c.groups = 0
		m.open()
		if known := m.running.Load().node.Known(); len(known) != 0 {
			t.Fatalf("after the second removal the node knows %v", known)
		}
	})
}

// TestMissingParts: a directory that is another node's, or that lacks something, is refused.
func TestMissingParts(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(fs *vfs.MemFS) error
		want  string
	}{
		"another node":      {func(fs *vfs.MemFS) error { return rewrite(fs, "node/node.json", "n0", "n9") }, `belongs to node "n9"`},
		"a newer version":   {func(fs *vfs.MemFS) error { return rewrite(fs, "node/node.json", `version":1`, `version":2`) }, "version 2"},
		"another id":        {func(fs *vfs.MemFS) error { return rewrite(fs, "node/node.json", `"id":"`, `"id":"0`) }, "32 hexadecimal digits"},
		"no identity":       {func(fs *vfs.MemFS) error { return fs.Remove("node/node.json") }, "has a log and no node.json"},
		"no log":            {func(fs *vfs.MemFS) error { return fs.RemoveAll("node/log") }, "has no log any more"},
		"no checkpoint":     {func(fs *vfs.MemFS) error { return fs.RemoveAll("node/state") }, "there is no checkpoint"},
		"another's log":     {anotherLog, "not this node's log"},
		"a log of too late": {aheadOfLog, "its checkpoint says that there was entry"},
		"a group unknown":   {strayCheckpoint, "its log knows nothing of it"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 1, 1)
				c.members = c.members[:1]
				c.start()
				m := c.members[0]
				for c.writeMany(t, 0, "a", 20); m.group(0).Usage().First <= 1; c.writeMany(t, 0, "a", 20) {
					if err := m.group(0).Checkpoint(c.ctx); err != nil {
						t.Fatal(err)
					}
				}
				m.close()
				if err := test.spoil(m.mem); err != nil {
					t.Fatal(err)
				}
				node, err := OpenNode(m.options())
				if err == nil {
					_, err = node.Start(GroupOptions{ID: 1, Name: "p0", Machine: newLedger(c.histories[0])})
					if err := node.Close(); err != nil {
						t.Error(err)
					}
				}
				if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, ErrForeign) && !errors.Is(err, wal.ErrForeign) {
					t.Fatalf("%v; want %q", err, test.want)
				}
			})
		})
	}
}

func rewrite(fs *vfs.MemFS, path, from, to string) error {
	text, err := readFile(fs, path)
	if err != nil {
		return err
	}
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte(strings.Replace(string(text), from, to, 1)))
	return errors.Join(err, file.Close())
}

// anotherLog gives the directory another id than its log has.
func anotherLog(fs *vfs.MemFS) error {
	text, err := readFile(fs, "node/node.json")
	if err != nil {
		return err
	}
	_, id, _ := strings.Cut(string(text), `"id":"`)
	return rewrite(fs, "node/node.json", id[:8], "01234567")
}

// aheadOfLog gives the group a checkpoint of an entry that its log never had.
func aheadOfLog(fs *vfs.MemFS) error { return commitTo(fs, 1) }

// strayCheckpoint gives the directory the checkpoint of a group that its log doesn't have.
func strayCheckpoint(fs *vfs.MemFS) error { return commitTo(fs, 9) }

func commitTo(fs *vfs.MemFS, group GroupNumber) error {
	states, err := OpenStateFiles(fs, "node/state")
	if err != nil {
		return err
	}
	meta, _, err := states.Latest(1)
	if err != nil {
		return err
	}
	meta.Index += 100
	return states.Commit(group, meta, all(nil), true)
}

// TestTornVote: half a vote that a crash leaves behind is none: the node neither believes to have voted for whom it voted before,
// nor votes twice in a term.
func TestTornVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "a", 5)
		c.settle(c.ctx)
		m := c.third(c.leader(c.ctx, 0), nil)
		// It may not have voted at all.
		vote := func() (candidate string, term uint64) {
			entries := m.group(0).shared
			value, err := entries.Get([]byte("LastVoteCand"))
			if err == nil {
				term, err = entries.GetUint64(keyLastVoteTerm)
			}
			if err != nil && err.Error() != "not found" {
				t.Fatal(err)
			}
			return string(value), term
		}
		candidate, term := vote()
		// The library writes its new term, and the first half of a vote in it.
		entries := m.group(0).shared
		next := m.group(0).Status().Term + 5
		if err := errors.Join(entries.SetUint64(keyCurrentTerm, next), entries.SetUint64(keyLastVoteTerm, next)); err != nil {
			t.Fatal(err)
		}
		m.crash(100)
		m.open()
		if c, in := vote(); c != candidate || in != term {
			t.Fatalf("the vote was for %q in term %d, and is for %q in term %d", candidate, term, c, in)
		}
		c.writeMany(t, 0, "b", 5)
		c.settle(c.ctx)
	})
}

// TestVoteIsKept: a vote that was given is there after a crash that has lost all that wasn't synced.
func TestVoteIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "a", 5)
		c.settle(c.ctx)
		m := c.third(c.leader(c.ctx, 0), nil)
		entries, next := m.group(0).shared, m.group(0).Status().Term+5
		if err := errors.Join(entries.SetUint64(keyCurrentTerm, next), entries.SetUint64(keyLastVoteTerm, next), entries.Set([]byte("LastVoteCand"), []byte("n9"))); err != nil {
			t.Fatal(err)
		}
		m.crash(0)
		m.open()
		candidate, err := m.group(0).shared.Get([]byte("LastVoteCand"))
		term, termErr := m.group(0).shared.GetUint64(keyLastVoteTerm)
		if err := errors.Join(err, termErr); err != nil || string(candidate) != "n9" || term != next {
			t.Fatalf("the vote was for n9 in term %d, and is for %q in term %d: %v", next, candidate, term, err)
		}
	})
}

func TestNodeOptions(t *testing.T) {
	connect := func(Hooks) (Transport, error) { return nil, errDisk }
	good := NodeOptions{Dir: "d", Name: "n", Connect: connect, FS: vfs.NewMem(), SegmentBytes: testSegmentBytes}
	for field, spoil := range map[string]func(*NodeOptions){
		"Dir":             func(o *NodeOptions) { o.Dir = "" },
		"Name":            func(o *NodeOptions) { o.Name = strings.Repeat("n", 129) },
		"Connect":         func(o *NodeOptions) { o.Connect = nil },
		"SegmentBytes":    func(o *NodeOptions) { o.SegmentBytes = 4097 },
		"BytesMax":        func(o *NodeOptions) { o.BytesMax = 1 },
		"CacheBytes":      func(o *NodeOptions) { o.CacheBytes = -1 },
		"ElectionTimeout": func(o *NodeOptions) { o.ElectionTimeout = time.Millisecond },
		"LeaseTimeout":    func(o *NodeOptions) { o.LeaseTimeout = time.Hour },
	} {
		options := good
		spoil(&options)
		if _, err := OpenNode(options); err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s: %v", field, err)
		}
	}
	// What fails last leaves nothing open.
	for range 2 {
		if _, err := OpenNode(good); !errors.Is(err, errDisk) {
			t.Error(err)
		}
	}
}

func TestGroupOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.members = c.members[:1]
		c.start()
		node := c.members[0].running.Load().node
		good := GroupOptions{ID: 2, Name: "g", Machine: newLedger(newHistory(t))}
		for want, spoil := range map[string]func(*GroupOptions){
			"ID ":                   func(o *GroupOptions) { o.ID = 0 },
			"Name ":                 func(o *GroupOptions) { o.Name = "" },
			"Machine ":              func(o *GroupOptions) { o.Machine = nil },
			"CheckpointBytes ":      func(o *GroupOptions) { o.CheckpointBytes = -1 },
			"CheckpointEvery ":      func(o *GroupOptions) { o.CheckpointEvery = -1 },
			"Node of 0 bytes":       func(o *GroupOptions) { o.Members = []Member{{Address: "a"}} },
			"without an Address":    func(o *GroupOptions) { o.Members = []Member{{Node: "a"}} },
			"twice":                 func(o *GroupOptions) { o.Members = []Member{{"a", "1", true}, {"a", "2", true}} },
			"no voter":              func(o *GroupOptions) { o.Members = []Member{{"a", "1", false}} },
			"group 1 is started al": func(o *GroupOptions) { o.ID = 1 },
		} {
			options := good
			spoil(&options)
			if _, err := node.Start(options); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
		large := make([]byte, testSegmentBytes/4)
		if _, err := c.members[0].group(0).Propose(large).Wait(c.ctx); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a command that does not fit into a segment: %v", err)
		}
		c.leader(c.ctx, 0)
		fits := make([]byte, testSegmentBytes/4-recordOverheadMax)
		if _, err := c.members[0].group(0).Propose(fits).Wait(c.ctx); err != nil {
			t.Errorf("the largest command: %v", err)
		}
	})
}

// TestFence: what a replicator reads after its leadership has ended is not sent.
func TestFence(t *testing.T) {
	l := newLink(&twinGroup{})
	request := &raft.AppendEntriesRequest{Term: 4, Entries: []*raft.Log{{}}}
	for _, term := range []uint64{0, 3, 5} {
		l.term.Store(term)
		if err := l.AppendEntries("", "", request, nil); !errors.Is(err, errNotLeading) {
			t.Errorf("entries of term 4 in term %d: %v", term, err)
		}
		p := &linkedPipeline{link: l, sending: make(chan struct{}, 1)}
		if _, err := p.AppendEntries(request, nil); !errors.Is(err, errNotLeading) {
			t.Errorf("entries of term 4 in a pipeline in term %d: %v", term, err)
		}
	}
	l.term.Store(4)
	if err := l.check(request); err != nil {
		t.Error(err)
	}
}
