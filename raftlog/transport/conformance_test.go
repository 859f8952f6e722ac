package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// The suite says what the library, and what is above it, may expect of a group's transport. Every way of carrying bytes runs it.

// testCluster is the cluster of all nodes in tests.
var testCluster = [16]byte{1, 2, 3}

// carrier makes the Streams of a test's nodes.
type carrier struct {
	name   string
	listen func(t testing.TB) func(node string) Streams
}

func carriers() []carrier {
	return []carrier{
		{"tcp", func(t testing.TB) func(string) Streams {
			return func(string) Streams { return listenTCP(t) }
		}},
		{"tls", func(t testing.TB) func(string) Streams {
			authority := newAuthority(t)
			return func(node string) Streams { return listenTLS(t, authority.issue(t, node)) }
		}},
		{"twin", func(t testing.TB) func(string) Streams {
			network := NewNetwork(1)
			t.Cleanup(network.Close)
			return func(node string) Streams {
				s, err := network.Listen(node)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
		}},
	}
}

func listenTCP(t testing.TB) Streams {
	t.Helper()
	s, err := ListenTCP(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testNode is a transport whose groups answer by functions.
type testNode struct {
	*Transport
	id raft.ServerID
}

func startNode(t testing.TB, id string, streams Streams, change ...func(*Options)) *testNode {
	t.Helper()
	o := Options{
		Streams: streams, LocalID: raft.ServerID(id), Cluster: testCluster, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), poison: true,
	}
	for _, c := range change {
		c(&o)
	}
	transport, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	})
	return &testNode{Transport: transport, id: raft.ServerID(id)}
}

// answering makes a group answer by a function, until the test ends.
func (n *testNode) answering(t testing.TB, number GroupNumber, answer func(raft.RPC)) *GroupTransport {
	t.Helper()
	g := n.Group(number)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case rpc := <-g.Consumer():
				answer(rpc)
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return g
}

func header(id string) raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(id), Addr: []byte(id + ":7000")}
}

// entriesOf makes entries from index on, of so many bytes each.
func entriesOf(from uint64, count, size int) []*raft.Log {
	var entries []*raft.Log
	for i := range count {
		e := &raft.Log{Index: from + uint64(i), Term: 7, Type: raft.LogCommand, AppendedAt: time.Unix(100, int64(i)), Data: make([]byte, size)}
		head := binary.LittleEndian.AppendUint64(nil, e.Index*0x9e3779b97f4a7c15)
		for n := copy(e.Data, head); n < size; n *= 2 {
			copy(e.Data[n:], e.Data[:n])
		}
		if i%3 == 1 {
			e.Extensions = []byte(fmt.Sprint("extension", e.Index))
		}
		if size == 0 {
			e.Data, e.Type, e.AppendedAt = nil, raft.LogNoop, time.Time{}
		}
		entries = append(entries, e)
	}
	return entries
}

// suite is two nodes, n1 and n2, of which n1 calls n2.
type suite struct {
	from, to *testNode
	target   raft.ServerAddress
}

func startSuite(t *testing.T, c carrier, change ...func(*Options)) *suite {
	t.Helper()
	listen := c.listen(t)
	s := &suite{from: startNode(t, "n1", listen("n1"), change...), to: startNode(t, "n2", listen("n2"), change...)}
	s.target = s.to.LocalAddress()
	return s
}

func forEachCarrier(t *testing.T, run func(*testing.T, carrier)) {
	t.Helper()
	for _, c := range carriers() {
		t.Run(c.name, func(t *testing.T) { run(t, c) })
	}
}

// TestRequests sends one of each request, and expects it and its answer to arrive as they were sent.
func TestRequests(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c)
		got := make(chan any, 1)
		answers := make(chan raft.RPCResponse, 1)
		s.to.answering(t, 5, func(rpc raft.RPC) {
			got <- rpc.Command
			rpc.RespChan <- <-answers
		})
		g := s.from.Group(5)
		check := func(want, gotBack, wantBack any, call func() error) {
			t.Helper()
			answers <- raft.RPCResponse{Response: wantBack}
			if err := call(); err != nil {
				t.Fatalf("%T: %v", want, err)
			}
			if command := <-got; !reflect.DeepEqual(command, want) {
				t.Errorf("sent %+v\nreceived %+v", want, command)
			}
			if !reflect.DeepEqual(gotBack, wantBack) {
				t.Errorf("answered %+v\nreceived %+v", wantBack, gotBack)
			}
		}
		for _, entries := range [][]*raft.Log{nil, entriesOf(11, 1, 0), entriesOf(11, 5, 100), entriesOf(11, 7, 5000), entriesOf(11, 1, 3<<20)} {
			request := &raft.AppendEntriesRequest{
				RPCHeader: header("n1"), Term: 9, PrevLogEntry: 10, PrevLogTerm: 6, LeaderCommitIndex: 8, Entries: entries,
			}
			var response raft.AppendEntriesResponse
			check(request, &response, &raft.AppendEntriesResponse{RPCHeader: header("n2"), Term: 9, LastLog: 12, Success: true}, func() error {
				return g.AppendEntries("n2", s.target, request, &response)
			})
		}
		vote := &raft.RequestVoteRequest{RPCHeader: header("n1"), Term: 4, LastLogIndex: 3, LastLogTerm: 2, LeadershipTransfer: true}
		var voted raft.RequestVoteResponse
		check(vote, &voted, &raft.RequestVoteResponse{RPCHeader: header("n2"), Term: 5, Granted: true, Peers: []byte("peers")}, func() error {
			return g.RequestVote("n2", s.target, vote, &voted)
		})
		preVote := &raft.RequestPreVoteRequest{RPCHeader: header("n1"), Term: 4, LastLogIndex: 3, LastLogTerm: 2}
		var preVoted raft.RequestPreVoteResponse
		check(preVote, &preVoted, &raft.RequestPreVoteResponse{RPCHeader: header("n2"), Term: 5, Granted: true}, func() error {
			return g.RequestPreVote("n2", s.target, preVote, &preVoted)
		})
		now := &raft.TimeoutNowRequest{RPCHeader: header("n1")}
		var done raft.TimeoutNowResponse
		check(now, &done, &raft.TimeoutNowResponse{RPCHeader: header("n2")}, func() error {
			return g.TimeoutNow("n2", s.target, now, &done)
		})
	})
}

// TestErrors expects what goes wrong to be told apart.
func TestErrors(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c)
		s.to.answering(t, 1, func(rpc raft.RPC) { rpc.Respond(nil, errors.New("unexpected command")) })
		request := &raft.RequestPreVoteRequest{RPCHeader: header("n1")}
		var response raft.RequestPreVoteResponse
		err := s.from.Group(1).RequestPreVote("n2", s.target, request, &response)
		var remote *RemoteError
		if !errors.As(err, &remote) || err.Error() != "unexpected command" {
			t.Errorf("an answered error is %v", err)
		}
		if err := s.from.Group(2).RequestPreVote("n2", s.target, request, &response); !errors.Is(err, ErrUnknownGroup) {
			t.Errorf("a group that is not there: %v", err)
		}
		if err := s.from.Group(1).RequestPreVote("n3", s.target, request, &response); !errors.Is(err, ErrOtherNode) {
			t.Errorf("another node: %v", err)
		}
		entries := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Entries: entriesOf(1, 2, 100)}
		if err := s.from.Group(2).AppendEntries("n2", s.target, entries, &raft.AppendEntriesResponse{}); !errors.Is(err, ErrUnknownGroup) {
			t.Errorf("entries for a group that is not there: %v", err)
		}
		if err := s.from.Group(1).AppendEntries("n2", s.target, entries, &raft.AppendEntriesResponse{}); !errors.As(err, &remote) {
			t.Errorf("an answered error is %v", err)
		}
	})
}

// TestPipeline sends many requests, and expects the answers in order, with what was asked.
func TestPipeline(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c)
		var next atomic.Uint64
		next.Store(1)
		s.to.answering(t, 3, func(rpc raft.RPC) {
			r := rpc.Command.(*raft.AppendEntriesRequest)
			for _, e := range r.Entries {
				if e.Index != next.Load() || !bytes.Equal(e.Data, entriesOf(e.Index, 1, len(e.Data))[0].Data) {
					t.Errorf("entry %d with %d bytes; expected %d", e.Index, len(e.Data), next.Load())
				}
				next.Store(e.Index + 1)
			}
			rpc.Respond(&raft.AppendEntriesResponse{Term: 1, LastLog: next.Load() - 1, Success: true}, nil)
		}).ReuseBuffers()
		p, err := s.from.Group(3).AppendEntriesPipeline("n2", s.target)
		if err != nil {
			t.Fatal(err)
		}
		const requests = 200
		var reading sync.WaitGroup
		reading.Go(func() {
			for i := range requests {
				f := <-p.Consumer()
				entries := f.Request().Entries
				if err := f.Error(); err != nil {
					t.Error(err)
				}
				if want := entries[len(entries)-1].Index; f.Response().LastLog != want || !f.Response().Success {
					t.Errorf("answer %d is %+v; expected last entry %d", i, f.Response(), want)
				}
			}
		})
		index := uint64(1)
		for i := range requests {
			count, size := i%4+1, i%3*3000
			if i%20 == 19 {
				count, size = 5, 700<<10 // more than one message takes
			}
			request := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Entries: entriesOf(index, count, size)}
			if _, err := p.AppendEntries(request, &raft.AppendEntriesResponse{}); err != nil {
				t.Fatal(err)
			}
			if len(request.Entries) != count {
				t.Fatalf("request %d has %d entries now; it had %d", i, len(request.Entries), count)
			}
			index += uint64(count)
		}
		reading.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, err := p.AppendEntries(&raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{}); !errors.Is(err, raft.ErrPipelineShutdown) {
			t.Errorf("a closed pipeline: %v", err)
		}
		if got := s.from.Stats().Split; got != requests/20 {
			t.Errorf("%d requests were split; expected %d", got, requests/20)
		}
	})
}

// TestInstallSnapshot sends a snapshot of several sizes, and one that ends too early.
func TestInstallSnapshot(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c)
		got := make(chan []byte, 1)
		s.to.answering(t, 1, func(rpc raft.RPC) {
			data, err := io.ReadAll(rpc.Reader)
			got <- data
			rpc.Respond(&raft.InstallSnapshotResponse{Term: 3, Success: err == nil}, err)
		})
		for _, size := range []int{0, 1, chunkBytesMax, chunkBytesMax + 1, 20 << 20} {
			data := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
			request := &raft.InstallSnapshotRequest{
				RPCHeader: header("n1"), SnapshotVersion: 1, Term: 3, Leader: []byte("n1:7000"), LastLogIndex: 9, LastLogTerm: 2,
				Configuration: []byte("configuration"), ConfigurationIndex: 4, Size: int64(size),
			}
			var response raft.InstallSnapshotResponse
			if err := s.from.Group(1).InstallSnapshot("n2", s.target, request, &response, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(<-got, data) || !response.Success || response.Term != 3 {
				t.Errorf("a snapshot of %d bytes: %+v", size, response)
			}
		}
		request := &raft.InstallSnapshotRequest{Size: 1000}
		err := s.from.Group(1).InstallSnapshot("n2", s.target, request, &raft.InstallSnapshotResponse{}, bytes.NewReader(make([]byte, 999)))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a snapshot that is short: %v", err)
		}
		if data := <-got; len(data) != 0 {
			t.Errorf("a snapshot that is short: %d bytes arrived", len(data))
		}
	})
}

// TestFetch asks for entries.
func TestFetch(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c, func(o *Options) {
			o.Fetch = func(group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
				if group != 4 {
					return nil, fmt.Errorf("no group %d", group)
				}
				if from < 10 {
					return nil, nil
				}
				return entriesOf(from, int(to-from+1), 4000), nil
			}
		})
		s.to.Group(4)
		s.to.Group(5)
		entries, err := s.from.Fetch(t.Context(), s.target, 4, 20, 29, 1<<20)
		if err != nil || !reflect.DeepEqual(entries, entriesOf(20, 10, 4000)) {
			t.Errorf("got %d entries, %v", len(entries), err)
		}
		if entries, err = s.from.Fetch(t.Context(), s.target, 4, 20, 29, 9000); err != nil || len(entries) != 2 {
			t.Errorf("got %d entries, %v; expected those that fit", len(entries), err)
		}
		if entries, err = s.from.Fetch(t.Context(), s.target, 4, 20, 29, 0); err != nil || len(entries) != 1 {
			t.Errorf("got %d entries, %v; expected one", len(entries), err)
		}
		if entries, err = s.from.Fetch(t.Context(), s.target, 4, 2, 29, 9000); err != nil || len(entries) != 0 {
			t.Errorf("got %d entries, %v; expected none", len(entries), err)
		}
		var remote *RemoteError
		if _, err = s.from.Fetch(t.Context(), s.target, 5, 2, 29, 9000); !errors.As(err, &remote) {
			t.Errorf("a refused fetch: %v", err)
		}
		if _, err = s.from.Fetch(t.Context(), s.target, 6, 2, 29, 9000); !errors.Is(err, ErrUnknownGroup) {
			t.Errorf("a fetch of a group that is not there: %v", err)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = s.from.Fetch(cancelled, s.target, 4, 20, 29, 9000); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled fetch: %v", err)
		}
	})
}
