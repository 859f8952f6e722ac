package raftlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// ledger is a machine that remembers under each command's name the entry that brought it, and a hash over all entries. It
// gives its changes alone when asked to.
type ledger struct {
	history *history
	mu      struct {
		sync.Mutex
		entries map[string]uint64
		chain   uint64
		last    uint64
		changed map[string]bool
	}
}

// history is what a group's machines have applied anywhere, at any time: the same, or the test fails.
type history struct {
	tb testing.TB
	mu struct {
		sync.Mutex
		chains map[uint64]uint64 // by index
		acked  map[string]uint64
	}
}

func newHistory(tb testing.TB) *history {
	h := &history{tb: tb}
	h.mu.chains, h.mu.acked = map[uint64]uint64{}, map[string]uint64{}
	return h
}

func (h *history) applied(index, chain uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, there := h.mu.chains[index]; there && was != chain {
		h.tb.Errorf("entry %d leaves one machine with %x and another with %x", index, was, chain)
	}
	h.mu.chains[index] = chain
}

func (h *history) ack(name string, index uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.acked[name] = index
}

func (h *history) ackedCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mu.acked)
}

// missing returns what was acked and a machine does not have.
func (h *history) missing(l *ledger) (missing []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, index := range h.mu.acked {
		if got := l.mu.entries[name]; got != index {
			missing = append(missing, fmt.Sprintf("%q, acked as entry %d, there it is %d", name, index, got))
		}
	}
	slices.Sort(missing)
	return missing
}

func newLedger(h *history) *ledger {
	l := &ledger{history: h}
	l.mu.entries, l.mu.changed = map[string]uint64{}, map[string]bool{}
	return l
}

func (l *ledger) Apply(e Entry) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Index <= l.mu.last {
		l.history.tb.Errorf("entry %d is applied after entry %d", e.Index, l.mu.last)
	}
	name, _, _ := strings.Cut(string(e.Data), " ")
	l.mu.last = e.Index
	for _, b := range e.Data {
		l.mu.chain = l.mu.chain*1099511628211 ^ uint64(b)
	}
	l.mu.chain ^= e.Index<<32 + e.Term
	l.mu.entries[name] = e.Index
	l.mu.changed[name] = true
	l.history.applied(e.Index, l.mu.chain)
	return name
}

func (l *ledger) Snapshot(whole bool) ([]Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := []Record{{Key: []byte{}, Value: binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, l.mu.chain), l.mu.last)}}
	for name, index := range l.mu.entries {
		if whole || l.mu.changed[name] {
			records = append(records, Record{Key: []byte(name), Value: binary.BigEndian.AppendUint64(nil, index)})
		}
	}
	clear(l.mu.changed)
	return records, nil
}

func (l *ledger) Restore(records iter.Seq2[Record, error]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.mu.entries)
	clear(l.mu.changed)
	for record, err := range records {
		switch {
		case err != nil:
			return err
		case len(record.Key) == 0:
			l.mu.chain, l.mu.last = binary.BigEndian.Uint64(record.Value), binary.BigEndian.Uint64(record.Value[8:])
		default:
			l.mu.entries[string(record.Key)] = binary.BigEndian.Uint64(record.Value)
		}
	}
	return nil
}

func (l *ledger) lastIndex() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.last
}

// cluster is three nodes in one process, on file systems in memory.
type cluster struct {
	tb        testing.TB
	net       *twin
	groups    int
	members   []*member
	histories []*history
	// tune changes a node's options before it is opened.
	tune      func(*NodeOptions)
	tuneGroup func(*GroupOptions)
	rng       *rand.Rand
	retain    uint64                 // what all groups retain
	found     func(*member) []Member // whom a member begins a group with
	// ctx ends after more virtual time than any test needs.
	ctx context.Context //nolint:containedctx // of the test
}

// member is one node and what it runs on.
type member struct {
	cluster *cluster
	name    string
	address raft.ServerAddress
	fs      vfs.FS // what the node sees
	mem     *vfs.MemFS
	fatal   chan error
	running atomic.Pointer[process]
}

// process is a node while it runs.
type process struct {
	node    *Node
	groups  []*Group
	ledgers []*ledger
	reading sync.WaitGroup
}

// running returns the members whose node runs, as processes.
func (c *cluster) running() map[*member]*process {
	running := map[*member]*process{}
	for _, m := range c.members {
		if p := m.running.Load(); p != nil {
			running[m] = p
		}
	}
	return running
}

func newCluster(tb testing.TB, groups int, seed uint64) *cluster {
	tb.Helper()
	c := &cluster{tb: tb, retain: RetainNone, net: newTwin(seed), groups: groups, rng: rand.New(rand.NewPCG(seed, seed))}
	c.found = func(*member) []Member { return c.founders() }
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Minute)
	tb.Cleanup(cancel)
	c.ctx = ctx
	for range groups {
		c.histories = append(c.histories, newHistory(tb))
	}
	for i := range 3 {
		mem := vfs.NewCrashableMem()
		m := &member{cluster: c, name: fmt.Sprintf("n%d", i), address: raft.ServerAddress(fmt.Sprintf("host%d:1", i)), mem: mem, fs: mem}
		c.members = append(c.members, m)
	}
	return c
}

// start opens all nodes and starts all groups.
func (c *cluster) start() {
	c.tb.Helper()
	for _, m := range c.members {
		m.open()
	}
	all := slices.Clone(c.members)
	c.tb.Cleanup(func() {
		for _, m := range all {
			m.close()
		}
		c.net.Close()
	})
}

func (c *cluster) founders() []Member {
	var members []Member
	for _, m := range c.members {
		members = append(members, m.asMember(true))
	}
	return members
}

func (m *member) asMember(voter bool) Member {
	return Member{Node: m.name, Address: string(m.address), Voter: voter}
}

const testSegmentBytes = 64 << 10

func (m *member) open() {
	c := m.cluster
	c.tb.Helper()
	node, err := OpenNode(m.options())
	if err != nil {
		c.tb.Fatalf("%s: %v", m.name, err)
	}
	p := &process{node: node}
	for i := range c.groups {
		m.startGroup(p, i, c.found(m))
	}
	m.running.Store(p)
}

// options are the node's.
func (m *member) options() NodeOptions {
	c := m.cluster
	m.fatal = make(chan error, 1)
	fatal := m.fatal
	o := NodeOptions{
		Dir: "node", FS: m.fs, Name: m.name, Connect: c.net.connect(m.address), SegmentBytes: testSegmentBytes, BytesMax: 64 * testSegmentBytes,
		Logger: slog.New(slog.NewTextHandler(c.tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Fatal:  func(err error) { fatal <- err },
	}
	if c.tune != nil {
		c.tune(&o)
	}
	return o
}

func (m *member) startGroup(p *process, i int, members []Member) {
	m.cluster.tb.Helper()
	l := newLedger(m.cluster.histories[i])
	o := GroupOptions{ID: GroupNumber(i + 1), Name: fmt.Sprintf("p%d", i), Machine: l, Members: members}
	if m.cluster.tuneGroup != nil {
		m.cluster.tuneGroup(&o)
	}
	g, err := p.node.Start(o)
	if err != nil {
		m.cluster.tb.Fatalf("%s: %v", m.name, err)
	}
	g.Retain(m.cluster.retain)
	p.reading.Go(func() {
		for range g.Leadership() {
		}
	})
	p.groups, p.ledgers = append(p.groups, g), append(p.ledgers, l)
}

func (m *member) group(i int) *Group   { return m.running.Load().groups[i] }
func (m *member) ledger(i int) *ledger { return m.running.Load().ledgers[i] }

func (m *member) close() {
	p := m.running.Swap(nil)
	if p == nil {
		return
	}
	if err := p.node.Close(); err != nil {
		m.cluster.tb.Errorf("%s: %v", m.name, err)
	}
	p.reading.Wait()
}

// crash ends the node as a power cut does: of what was not synced a part is there afterwards.
func (m *member) crash(percent int) {
	m.cluster.tb.Helper()
	m.cluster.net.Kill(string(m.address))
	clone := m.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: m.cluster.rng})
	p := m.running.Swap(nil)
	_ = p.node.Close() // what it says and does is of no consequence: its files are not those that are opened next
	p.reading.Wait()
	m.mem, m.fs = clone, clone
}

// leader returns who leads a group and may propose, waiting for it.
func (c *cluster) leader(ctx context.Context, group int) *member {
	c.tb.Helper()
	for {
		for m, p := range c.running() {
			if p.groups[group].Barrier(ctx) == nil {
				return m
			}
		}
		pause(ctx, 10*time.Millisecond)
		if ctx.Err() != nil {
			for m, p := range c.running() {
				c.tb.Logf("%s: %+v, %+v, broken: %v", m.name, p.groups[group].Status(), p.node.Usage(), p.groups[group].broken())
			}
			c.tb.Fatalf("group %d has no leader: %v", group, context.Cause(ctx))
		}
	}
}

// pause waits for a moment or the context's end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// write proposes a command until somebody takes it, and notes that it was acked.
func (c *cluster) write(ctx context.Context, group int, name string, bytes int) {
	for try := 0; ctx.Err() == nil; try++ {
		for _, p := range c.running() {
			// Each try has a name of its own: an unknown outcome may come true later.
			tryName := fmt.Sprintf("%s/%d", name, try)
			data := []byte(tryName + " " + strings.Repeat("x", bytes))
			applied, err := p.groups[group].Propose(data).Wait(ctx)
			if err == nil {
				c.histories[group].ack(tryName, applied.Index)
				return
			}
			if !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFull) {
				c.tb.Errorf("writing: %v", err)
				return
			}
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// settle waits until all machines are equal, and checks that nothing that was acked is missing.
func (c *cluster) settle(ctx context.Context) {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // of virtual time
	defer cancel()
	for group := range c.groups {
		lead := c.leader(ctx, group)
		last := lead.ledger(group).lastIndex()
		for m, p := range c.running() {
			for p.ledgers[group].lastIndex() < last {
				if pause(ctx, 10*time.Millisecond); ctx.Err() != nil {
					c.tb.Fatalf("%s has group %d up to entry %d, the leader up to %d: %+v, pinned by %+v",
						m.name, group, p.ledgers[group].lastIndex(), last, p.node.Usage(), p.node.Pins())
				}
			}
			if missing := c.histories[group].missing(p.ledgers[group]); len(missing) > 0 {
				c.tb.Errorf("%s lacks %d commands of group %d: %s", m.name, len(missing), group, missing[0])
			}
		}
	}
}
