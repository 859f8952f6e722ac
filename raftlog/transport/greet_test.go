package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestForeign expects nodes of another cluster, and those that are not who they should be, to be refused on both sides.
func TestForeign(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		listen := c.listen(t)
		here := startNode(t, "n1", listen("n1"))
		foreign := startNode(t, "n2", listen("n2"), func(o *Options) { o.Cluster = [16]byte{9} })
		namesake := startNode(t, "n1", listen("n3"))
		for _, n := range []*testNode{here, foreign, namesake} {
			n.answering(t, 1, agree)
		}
		for what, err := range map[string]error{
			"to another cluster":   ask(here, foreign.LocalAddress()),
			"from another cluster": ask(foreign, here.LocalAddress()),
			"of the same name":     ask(namesake, here.LocalAddress()),
			"to itself":            ask(here, here.LocalAddress()),
			"a snapshot": foreign.Group(1).InstallSnapshot("n1", here.LocalAddress(), &raft.InstallSnapshotRequest{},
				&raft.InstallSnapshotResponse{}, bytes.NewReader(nil)),
		} {
			if !errors.Is(err, ErrForeign) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := here.Stats().Requests; n != 0 {
			t.Errorf("%d requests were taken", n)
		}
	})
}

// TestGarbage sends to a node what no node sends. It closes the connection, and goes on.
func TestGarbage(t *testing.T) {
	n := startNode(t, "n1", listenTCP(t), func(o *Options) { o.DialTimeout = 200 * time.Millisecond })
	n.answering(t, 1, agree)
	hello := hello{lane: laneData, cluster: testCluster, id: "n2", address: "127.0.0.1:1"}
	greeting := sealed(kindHello, 0, hello.append(nil))
	version := hello.append(nil)
	version[8]++
	snapshot := hello
	snapshot.lane = laneSnapshot
	entries := must(appendFrame(&n.buffers, &raft.AppendEntriesRequest{Entries: entriesOf(1, 2, 10)}, nil))
	for what, sent := range map[string][]byte{
		"nothing":                      nil,
		"part of a frame":              greeting[:20],
		"HTTP":                         []byte("GET / HTTP/1.1\r\nHost: n1\r\nUser-Agent: nobody\r\n\r\n"),
		"zeros":                        make([]byte, 1000),
		"a hello with another version": sealed(kindHello, 0, version),
		"a hello with a bad CRC":       flipped(greeting, 22),
		"a hello that is too long":     sealed(kindHello, 0, make([]byte, 10_000)),
		"a ping before the hello":      sealed(kindPing, 0, nil),
		"a chunk in a data lane":       join(greeting, sealed(kindChunk, 1, []byte("chunk"))),
		"an answer":                    join(greeting, sealed(kindAppend|answerBit, 1, nil)),
		"a ping with something in it":  join(greeting, sealed(kindPing, 1, []byte("x"))),
		"a frame larger than any":      join(greeting, sealedHeader(kindAppend, 1, 1<<31)),
		"entries that are none":        join(greeting, sealed(kindAppend, 1, []byte("entries"))),
		"entries with a bad CRC":       join(greeting, flipped(sealed(kindAppend, 1, entries.head.bytes[frameHeaderBytes:]), 60)),
		"no install":                   join(sealed(kindHello, 0, snapshot.append(nil)), sealed(kindPing, 0, nil)),
		"a broken install":             join(sealed(kindHello, 0, snapshot.append(nil)), sealed(kindInstall, 1, []byte("x"))),
	} {
		conn, err := net.Dial("tcp", string(n.LocalAddress()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection stays open", what)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	other := startNode(t, "n2", listenTCP(t))
	if err := ask(other, n.LocalAddress()); err != nil {
		t.Error(err)
	}
}

// sealed makes a frame of a payload.
func sealed(kind frameKind, group GroupNumber, payload []byte) []byte {
	pool := bufferPool{stats: &counters{}}
	f := pool.newFrame(len(payload))
	f.head.bytes = append(f.head.bytes, payload...)
	f.seal(kind, group, 1)
	return f.head.bytes
}

func sealedHeader(kind frameKind, group GroupNumber, length uint32) []byte {
	b := make([]byte, frameHeaderBytes)
	(&frameHeader{kind: kind, group: group, length: length}).put(b)
	return b
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestSlowGreetings opens more connections than may be greeted at a time, and says nothing. A node still gets in.
func TestSlowGreetings(t *testing.T) {
	n := startNode(t, "n1", listenTCP(t), func(o *Options) { o.DialTimeout = 300 * time.Millisecond })
	n.answering(t, 1, agree)
	for range greetingsMax + 5 {
		conn, err := net.Dial("tcp", string(n.LocalAddress()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	other := startNode(t, "n2", listenTCP(t))
	await(t, "an answer", func() bool { return ask(other, n.LocalAddress()) == nil })
}

// TestTLS (with the suite's) expects only nodes with a certificate of theirs to be let in, and only to where they dialled.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	n := startNode(t, "n1", listenTLS(t, ours.issue(t, "n1")))
	n.answering(t, 1, agree)
	elsewhere := net.IPv4(192, 0, 2, 1)
	for what, c := range map[string]struct {
		id      string
		options TLSOptions
		refused bool
	}{
		"a node":                                {"n2", ours.issue(t, "n2"), false},
		"a node elsewhere, by name":             {"n3", ours.issue(t, "n3", elsewhere), false},
		"another's certificate, from elsewhere": {"n4", ours.issue(t, "n5", elsewhere), true},
		"another authority's":                   {"n6", theirs.issue(t, "n6"), true},
	} {
		from := startNode(t, c.id, listenTLS(t, c.options))
		err := ask(from, n.LocalAddress())
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", what, err)
		}
	}
	plain := startNode(t, "n7", listenTCP(t))
	if err := ask(plain, n.LocalAddress()); err == nil {
		t.Error("a node without TLS is let in")
	}
	// The one who is dialled is not who he should be.
	stranger := startNode(t, "n8", listenTLS(t, ours.issue(t, "n8", elsewhere)))
	if err := ask(n, stranger.LocalAddress()); err == nil {
		t.Error("a node is believed whose certificate is for another address")
	}
	if _, err := ListenTLS(t.Context(), "127.0.0.1:0", TLSOptions{}); err == nil {
		t.Error("TLS without certificates")
	}
	_, certificate := ours.issue(t, "n9"), ours.issue(t, "n9")
	if _, err := must(ListenTLS(t.Context(), "127.0.0.1:0", certificate)).Dial(t.Context(), "no port"); err == nil {
		t.Error("dialled an address without a port")
	}
}

// TestCorruptStream (T1) flips bits between two nodes. Whatever becomes of a message, none is taken for another.
func TestCorruptStream(t *testing.T) {
	flips := &flipping{every: 40_000}
	n := startNode(t, "n2", listenTCP(t))
	n.answering(t, 1, func(rpc raft.RPC) {
		e := rpc.Command.(*raft.AppendEntriesRequest).Entries[0]
		if want := entriesOf(e.Index, 1, 5000)[0]; !bytes.Equal(e.Data, want.Data) || e.Term != want.Term || e.Index == 0 || e.Index > 400 {
			t.Errorf("entry %d is not what was sent", e.Index)
		}
		rpc.Respond(&raft.AppendEntriesResponse{LastLog: e.Index, Success: true}, nil)
	}).ReuseBuffers()
	from := startNode(t, "n1", &flippingStreams{listenTCP(t), flips})
	failed := 0
	for index := uint64(1); index <= 400; index++ {
		request := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Entries: entriesOf(index, 1, 5000)}
		var response raft.AppendEntriesResponse
		err := from.Group(1).AppendEntries("n2", n.LocalAddress(), request, &response)
		if err != nil {
			failed++
		} else if response.LastLog != index {
			t.Errorf("entry %d was answered %+v", index, response)
		}
	}
	t.Logf("%d of 400 failed", failed)
	if failed == 0 || failed == 400 {
		t.Errorf("%d of 400 failed", failed)
	}
}

// flipping flips a bit of what is written now and then.
type flipping struct {
	mu    sync.Mutex
	every int
	count int
}

type flippingStreams struct {
	Streams
	flips *flipping
}

func (s *flippingStreams) Dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := s.Streams.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return &flippingConn{c, s.flips}, nil
}

type flippingConn struct {
	net.Conn
	flips *flipping
}

func (c *flippingConn) Write(p []byte) (int, error) {
	c.flips.mu.Lock()
	before := c.flips.count / c.flips.every
	c.flips.count += len(p)
	flip := len(p) > 0 && c.flips.count/c.flips.every > before
	at := c.flips.count
	c.flips.mu.Unlock()
	if flip {
		p = bytes.Clone(p)
		p[at%len(p)] ^= 1 << (at % 8)
	}
	return c.Conn.Write(p)
}

// TestOptions expects what can't be worked with to be refused, by name.
func TestOptions(t *testing.T) {
	for field, change := range map[string]func(*Options){
		"Streams":          func(o *Options) { o.Streams = nil },
		"LocalID":          func(o *Options) { o.LocalID = raft.ServerID(strings.Repeat("n", 200)) },
		"LocalAddress":     func(o *Options) { o.LocalAddress = raft.ServerAddress(strings.Repeat("n", 300)) },
		"Cluster":          func(o *Options) { o.Cluster = [16]byte{} },
		"AppendBytes":      func(o *Options) { o.AppendBytes = -1 },
		"GroupWindowBytes": func(o *Options) { o.GroupWindowBytes = 1 },
		"PeerWindowBytes":  func(o *Options) { o.PeerWindowBytes = 1 },
		"EntryBytesMax":    func(o *Options) { o.EntryBytesMax = 2 << 30 },
		"PipelineDepth":    func(o *Options) { o.PipelineDepth = 1000 },
		"AnswerTimeout":    func(o *Options) { o.AnswerTimeout = 1 },
		"SilenceTimeout":   func(o *Options) { o.SilenceTimeout = -1 },
		"DialTimeout":      func(o *Options) { o.DialTimeout = 1 },
		"IdleTimeout":      func(o *Options) { o.IdleTimeout = 1 },
	} {
		streams := listenTCP(t)
		o := Options{Streams: streams, LocalID: "n1", Cluster: testCluster}
		change(&o)
		if transport, err := New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v, %v", field, transport, err)
		}
		_ = streams.Close()
	}
}
