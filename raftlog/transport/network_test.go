package transport

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed alone")
	seedsFlag = flag.Uint64("seeds", 12, "how many seeds to run")
)

// forEachSeed runs a test in virtual time for some seeds. A run that fails says how to repeat it.
func forEachSeed(t *testing.T, run func(t *testing.T, seed uint64)) {
	t.Helper()
	first, last := uint64(1), *seedsFlag
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("again: go test ./raftlog/transport -run '^%s$' -seed %d", t.Name(), seed)
				}
			})
			synctest.Test(t, func(t *testing.T) { run(t, seed) })
		})
	}
}

// roughFaults is a network where everything happens that can.
func roughFaults(random *rand.Rand) Faults {
	return Faults{
		DelayMax: time.Duration(random.IntN(10)) * time.Millisecond, Drop: random.Float64() * 0.02, Duplicate: random.Float64() * 0.1,
		Replay: random.Float64() * 0.1, Reorder: random.Float64() * 0.1, LateMax: 2 * time.Second, Break: random.Float64() * 0.01,
	}
}

// TestAnswersMatch (T2, T3) sends over a rough network, where requests and answers come twice, late, out of order or not at all, also over
// later connections. An answer that arrives must be that of its request.
func TestAnswersMatch(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		network := NewNetwork(seed)
		t.Cleanup(network.Close)
		network.SetFaults(roughFaults(random))
		short := func(_ string, o *Options) { o.AnswerTimeout, o.SilenceTimeout = time.Second, 500*time.Millisecond }
		nodes := twinNodes(t, network, short, "n1", "n2")
		for number := GroupNumber(2); number < 5; number++ {
			nodes[1].answering(t, number, func(rpc raft.RPC) {
				last := rpc.Command.(*raft.AppendEntriesRequest).Entries[0].Index
				rpc.Respond(&raft.AppendEntriesResponse{Term: uint64(number), LastLog: last, Success: true}, nil)
			}).ReuseBuffers()
		}
		var sending sync.WaitGroup
		answered := make([]int, 5)
		for number := GroupNumber(2); number < 5; number++ {
			sending.Go(func() {
				for index := uint64(1); index < 300; {
					index, answered[number] = pipelineFrom(t, nodes[0], number, index, answered[number])
				}
			})
		}
		sending.Wait()
		for number, n := range answered[2:] {
			if n < 10 { // most are, but where connections break most often
				t.Errorf("group %d: %d of 300 were answered", number+2, n)
			}
		}
	})
}

// pipelineFrom sends until a pipeline ends, and returns how far it came, and how many answers there were.
func pipelineFrom(t *testing.T, from *testNode, number GroupNumber, index uint64, answered int) (uint64, int) {
	p, err := from.Group(number).AppendEntriesPipeline("n2", "n2")
	if err != nil {
		return index, answered
	}
	index++ // what was sent last may have arrived
	var reading sync.WaitGroup
	over, expected := make(chan struct{}), index
	reading.Go(func() {
		for ; ; expected++ {
			select {
			case f := <-p.Consumer():
				r := f.Response()
				if f.Error() == nil && (r.LastLog != expected || r.Term != uint64(number) || f.Request().Entries[0].Index != expected) {
					t.Errorf("group %d: request %d was answered %+v", number, expected, r)
				}
				answered++
			case <-over:
				return
			}
		}
	})
	for ; index < 300; index++ {
		if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Entries: entriesOf(index, 1, 100)}, &raft.AppendEntriesResponse{}); err != nil {
			break
		}
	}
	close(over)
	reading.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	return index, answered
}

// TestPipelineNobodyReads has answers wait for the library: the pipeline blocks then, and nobody else does.
func TestPipelineNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(1)
		t.Cleanup(network.Close)
		nodes := twinNodes(t, network, func(string, *Options) {}, "n1", "n2")
		p, err := nodes[0].Group(1).AppendEntriesPipeline("n2", "n2")
		if err != nil {
			t.Fatal(err)
		}
		const count = 200
		var sent atomic.Int64
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range uint64(count) {
				if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Entries: entriesOf(i, 1, 100)}, &raft.AppendEntriesResponse{}); err != nil {
					t.Error(err)
				}
				sent.Add(1)
			}
		})
		synctest.Wait()
		if n := sent.Load(); n < answersReady || n > answersReady+pipelineDepthDefault {
			t.Errorf("%d were sent", n)
		}
		if err := appendTo(nodes[0], 1, "n2", entriesOf(1, 1, 100)); err != nil {
			t.Errorf("another call of the group: %v", err)
		}
		for i := range uint64(count) {
			if got := (<-p.Consumer()).Request().Entries[0].Index; got != i {
				t.Fatalf("request %d; expected %d", got, i)
			}
		}
		sending.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestRoughNetwork runs three nodes of the library over a rough network, with cuts, pauses, kills and restarts. When it is over,
// all have the same.
func TestRoughNetwork(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 2))
		network := NewNetwork(seed)
		t.Cleanup(network.Close)
		members := newMembers(t, 3, network)
		change := func(o *Options) {
			o.AnswerTimeout, o.SilenceTimeout, o.DialTimeout = time.Second, 500*time.Millisecond, 300*time.Millisecond
			o.AppendBytes, o.Random = 20_000, network.Random
		}
		bootstrap(t, members, change)
		network.SetFaults(roughFaults(random))
		for round := range 8 {
			proposeSome(members, random)
			m := members[random.IntN(3)]
			id := string(m.id)
			switch random.IntN(4) {
			case 0:
				other := string(without(members, m)[random.IntN(2)].id)
				network.Cut(id, other, true)
				pass(time.Duration(random.IntN(3000)) * time.Millisecond)
				network.Cut(id, other, false)
			case 1:
				network.Pause(id, true)
				pass(time.Duration(random.IntN(3000)) * time.Millisecond)
				network.Pause(id, false)
			case 2:
				network.Kill(id)
				m.stop(t)
				pass(time.Duration(random.IntN(3000)) * time.Millisecond)
				m.start(t, change)
			case 3:
				network.Break(id, string(members[round%3].id))
			}
		}
		network.SetFaults(Faults{})
		proposeAll(t, members, 0, 20, 100)
		awaitSame(t, members, 20)
	})
}

// proposeSome proposes on whoever leads, and does not wait.
func proposeSome(members []*member, random *rand.Rand) {
	for range 10 {
		for _, m := range members {
			if m.raft != nil && m.raft.State() == raft.Leader {
				m.raft.Apply(make([]byte, random.IntN(5000)), 0)
			}
		}
		pass(50 * time.Millisecond)
	}
}

// TestNetworkConn compares a network's connections with what net.Conn promises.
func TestNetworkConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(1)
		t.Cleanup(network.Close)
		a, b := must(network.Listen("a")), must(network.Listen("b"))
		if _, err := network.Listen("a"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v", err)
		}
		if _, err := a.Dial(t.Context(), "c"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling nobody: %v", err)
		}
		here := must(a.Dial(t.Context(), "b"))
		there := must(b.Accept())
		if here.RemoteAddr().String() != "b" || there.RemoteAddr().String() != "a" || here.LocalAddr().Network() != there.RemoteAddr().Network() {
			t.Errorf("from %v to %v", here.LocalAddr(), here.RemoteAddr())
		}
		frame := make([]byte, frameHeaderBytes)
		(&frameHeader{kind: kindPing}).put(frame)
		if _, err := here.Write(join(frame, frame[:10])); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		if n, err := there.Read(got); n != len(frame) || err != nil {
			t.Errorf("read %d bytes, %v; the rest is not a whole frame yet", n, err)
		}
		start := time.Now()
		_ = there.SetReadDeadline(start.Add(time.Second))
		if _, err := there.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		_ = there.SetDeadline(time.Time{})
		if err := here.Close(); err != nil {
			t.Error(err)
		}
		if _, err := there.Read(got); !errors.Is(err, io.EOF) {
			t.Errorf("after the other end was closed: %v", err)
		}
		if _, err := here.Read(got); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after it was closed: %v", err)
		}
		if _, err := there.Write(frame); err == nil {
			t.Error("written to an end that is closed")
		}
		_ = there.Close()

		here, there = must(a.Dial(t.Context(), "b")), must(b.Accept())
		network.Cut("b", "a", true)
		if err := there.Close(); err != nil {
			t.Error(err)
		}
		if _, err := here.Write(frame); err != nil {
			t.Errorf("written to an end of which no news comes: %v", err)
		}
		network.Cut("b", "a", false)
		if _, err := here.Write(frame); err == nil {
			t.Error("written to an end that is closed, as is known by now")
		}
		_ = here.Close()

		here, there = must(a.Dial(t.Context(), "b")), must(b.Accept())
		_ = here.SetWriteDeadline(time.Now().Add(time.Second))
		large := make([]byte, 1<<20)
		(&frameHeader{kind: kindAppend, length: 1<<20 - frameHeaderBytes}).put(large)
		for written := 0; ; written += len(large) {
			if _, err := here.Write(large); errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil || written > 2*networkBytesMax {
				t.Fatalf("%d bytes were written, and nobody reads: %v", written, err)
			}
		}
		network.Break("a", "b")
		if _, err := there.Read(got); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after it broke: %v", err)
		}
		_, _ = here.Close(), there.Close()
		_, _ = a.Close(), b.Close()
	})
}
