package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// machine sums up what is applied: how many entries, and a CRC over all.
type machine struct {
	mu    sync.Mutex
	count uint64
	crc   uint32
}

func (m *machine) Apply(l *raft.Log) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.crc = crc32.Update(m.crc, castagnoli, l.Data)
	return nil
}

func (m *machine) state() (uint64, uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count, m.crc
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	count, crc := m.state()
	return &machineSnapshot{count, crc}, nil
}

func (m *machine) Restore(r io.ReadCloser) error {
	var b [12]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count, m.crc = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint32(b[8:])
	return r.Close()
}

type machineSnapshot struct {
	count uint64
	crc   uint32
}

func (s *machineSnapshot) Persist(sink raft.SnapshotSink) error {
	b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, s.count), s.crc)
	if _, err := sink.Write(b); err != nil {
		return err
	}
	return sink.Close()
}

func (s *machineSnapshot) Release() {}

// copyingStore is a raft.LogStore that keeps copies, as one on disk does.
type copyingStore struct{ *raft.InmemStore }

func (s copyingStore) StoreLogs(logs []*raft.Log) error {
	if last, err := s.LastIndex(); err != nil || last != 0 && logs[0].Index != last+1 {
		return fmt.Errorf("entry %d after %d, %w", logs[0].Index, last, err)
	}
	var copies []*raft.Log
	for _, l := range logs {
		c := *l
		c.Data, c.Extensions = bytes.Clone(l.Data), bytes.Clone(l.Extensions)
		copies = append(copies, &c)
	}
	return s.InmemStore.StoreLogs(copies)
}

func (s copyingStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// member is one node of a cluster of raft.Raft, with what survives a restart.
type member struct {
	id        raft.ServerID
	address   raft.ServerAddress
	listen    func() Streams
	configure func(*raft.Config)
	wrap      func(*GroupTransport) raft.Transport
	store     copyingStore
	snapshots raft.SnapshotStore
	machine   *machine
	node      *testNode
	raft      *raft.Raft
}

func (m *member) start(t testing.TB, change ...func(*Options)) {
	t.Helper()
	streams := m.listen()
	m.node = startNode(t, string(m.id), streams, append(change, func(o *Options) { o.LocalAddress = m.address })...)
	g := m.node.Group(1)
	g.ReuseBuffers()
	m.machine = &machine{}
	config := raft.DefaultConfig()
	config.LocalID = m.id
	config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = 500*time.Millisecond, 500*time.Millisecond, 300*time.Millisecond
	config.CommitTimeout = 20 * time.Millisecond
	config.BatchApplyCh = true
	config.Logger = hclog.NewNullLogger()
	if m.configure != nil {
		m.configure(config)
	}
	var carried raft.Transport = g
	if m.wrap != nil {
		carried = m.wrap(g)
	}
	var err error
	if m.raft, err = raft.NewRaft(config, m.machine, m.store, m.store.InmemStore, m.snapshots, carried); err != nil {
		t.Fatal(err)
	}
}

func (m *member) stop(t testing.TB) {
	t.Helper()
	if m.raft == nil {
		return
	}
	if err := m.raft.Shutdown().Error(); err != nil {
		t.Error(err)
	}
	if err := m.node.Close(); err != nil {
		t.Error(err)
	}
	m.raft = nil
}

// await waits for a condition.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for range 30_000 {
		if condition() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("it did not come to this: %s", what)
}

func leaderOf(t testing.TB, members ...*member) *member {
	t.Helper()
	var leader *member
	await(t, "a leader", func() bool {
		for _, m := range members {
			if m.raft != nil && m.raft.VerifyLeader().Error() == nil {
				leader = m
				return true
			}
		}
		return false
	})
	return leader
}

// proposeAll proposes entries and waits for them; those whose leader is lost are proposed again, so that it counts what was
// applied, not how often.
func proposeAll(t testing.TB, members []*member, from, count, size int) {
	t.Helper()
	leader := leaderOf(t, members...)
	pending := make(map[int]raft.ApplyFuture)
	for i := from; i < from+count; {
		for ; i < from+count && len(pending) < 256; i++ {
			data := bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), size/8+1)
			pending[i] = leader.raft.Apply(data, 0)
		}
		for k, f := range pending {
			delete(pending, k)
			if err := f.Error(); err != nil {
				leader = leaderOf(t, members...)
				pending[k] = leader.raft.Apply(bytes.Repeat([]byte(fmt.Sprintf("%08d", k)), size/8+1), 0)
			}
		}
	}
	for _, f := range pending {
		if err := f.Error(); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitSame(t testing.TB, members []*member, atLeast uint64) {
	t.Helper()
	await(t, "all machines the same", func() bool {
		count, crc := members[0].machine.state()
		for _, m := range members {
			if c, x := m.machine.state(); c != count || x != crc || c < atLeast {
				return false
			}
		}
		return true
	})
}

// newMembers makes members that are reached over a network, and are not started yet.
func newMembers(t testing.TB, count int, network *Network) (members []*member) {
	for i := range count {
		m := &member{
			id: raft.ServerID(fmt.Sprintf("n%d", i+1)), store: copyingStore{raft.NewInmemStore()}, snapshots: raft.NewInmemSnapshotStore(),
		}
		m.address = raft.ServerAddress(m.id)
		m.listen = func() Streams { return must(network.Listen(string(m.id))) }
		members = append(members, m)
	}
	return members
}

// bootstrap starts all members, and stops them when the test ends.
func bootstrap(t testing.TB, members []*member, change ...func(*Options)) {
	t.Helper()
	var configuration raft.Configuration
	for _, m := range members {
		configuration.Servers = append(configuration.Servers, raft.Server{ID: m.id, Address: m.address})
	}
	t.Cleanup(func() {
		for _, m := range members {
			m.stop(t)
		}
	})
	for _, m := range members {
		m.start(t, change...)
		if err := m.raft.BootstrapCluster(configuration).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCluster runs three nodes of the library: they elect, replicate 10,000 entries, survive a cut and a restart. The pool
// poisons what is free, so that whoever still looked at it would break the sum.
func TestCluster(t *testing.T) {
	quick := func(o *Options) { o.SilenceTimeout = 300 * time.Millisecond }
	t.Run("tcp", func(t *testing.T) {
		gates := map[raft.ServerAddress]*gate{}
		members := newMembers(t, 3, nil)
		for _, m := range members {
			m.address = freeAddress(t)
			gates[m.address] = newGate()
			m.listen = func() Streams { return &gatedStreams{listenAt(t, string(m.address)), gates[m.address]} }
		}
		bootstrap(t, members, quick)
		liveThrough(t, members, func(m *member, on bool) { gates[m.address].shut(on) }, quick)
	})
	t.Run("twin", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			network := NewNetwork(7)
			t.Cleanup(network.Close)
			members := newMembers(t, 3, network)
			bootstrap(t, members, quick)
			cut := func(m *member, on bool) {
				for _, other := range without(members, m) {
					network.CutBoth(string(m.id), string(other.id), on)
				}
			}
			liveThrough(t, members, cut, quick)
		})
	})
}

func liveThrough(t *testing.T, members []*member, cut func(m *member, on bool), change func(*Options)) {
	t.Helper()
	proposeAll(t, members, 0, 10_000, 200)
	awaitSame(t, members, 10_000)

	// A leader that is cut off is replaced, and follows when it is back.
	leader := leaderOf(t, members...)
	cut(leader, true)
	others := without(members, leader)
	proposeAll(t, others, 10_000, 300, 5000)
	awaitSame(t, others, 10_300)
	cut(leader, false)
	awaitSame(t, members, 10_300)

	// A follower that starts again replays, and follows.
	follower := without(members, leaderOf(t, members...))[0]
	follower.stop(t)
	proposeAll(t, without(members, follower), 10_300, 300, 50_000)
	follower.start(t, change)
	awaitSame(t, members, 10_600)
	proposeAll(t, members, 10_600, 100, 100)
	awaitSame(t, members, 10_700)
}

func without(members []*member, one *member) []*member {
	var rest []*member
	for _, m := range members {
		if m != one {
			rest = append(rest, m)
		}
	}
	return rest
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// freeAddress returns an address that was free just now.
func freeAddress(t testing.TB) raft.ServerAddress {
	t.Helper()
	s := listenTCP(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return raft.ServerAddress(s.Addr().String())
}

func listenAt(t testing.TB, address string) Streams {
	t.Helper()
	s, err := ListenTCP(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
