package transport

import (
	"bytes"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/hashicorp/raft"
)

// Whatever a decoder takes, encoding gives the same bytes again, so that there is one encoding of each message; and nobody
// panics, or makes memory for more than the payload has.

// payloadOf is a frame's bytes behind its header.
func payloadOf(f *frame) []byte {
	f.seal(kindPing, 0, 0)
	return bytesOf(f)[frameHeaderBytes:]
}

// bytesOf puts a frame together.
func bytesOf(f *frame) []byte { return bytes.Join(f.appendTo(nil), nil) }

func testPool() *bufferPool { return &bufferPool{stats: &counters{}} }

// same fails when a frame is not the payload that it was made from.
func same(t *testing.T, f *frame, err error, payload []byte) {
	t.Helper()
	if err != nil {
		t.Fatalf("what was decoded can't be encoded: %v", err)
	}
	if got := payloadOf(f); !bytes.Equal(got, payload) {
		t.Fatalf("%x\nbecame %x", payload, got)
	}
}

// short keeps names within what encoders take: decoders take all that the format can say.
func short(h raft.RPCHeader) bool { return checkSender(h) == nil && h.ProtocolVersion < 256 }

func FuzzAppendEntries(f *testing.F) {
	for _, entries := range [][]*raft.Log{nil, entriesOf(1, 3, 0), entriesOf(7, 2, 100), entriesOf(7, 3, 2000), entriesOf(7, 2, 5000)} {
		r := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Term: 3, PrevLogEntry: 2, PrevLogTerm: 1, LeaderCommitIndex: 4, Entries: entries}
		f.Add(payloadOf(must(appendFrame(testPool(), r, nil))))
	}
	var reused appendMessage // as a connection uses it again
	f.Fuzz(func(t *testing.T, b []byte) {
		var m appendMessage
		err := m.decode(b, &names{})
		if err2 := reused.decode(b, &names{}); (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(m.request, reused.request) {
			t.Fatalf("%+v, %v; and with memory that was used %+v, %v", m.request, err, reused.request, err2)
		}
		if err == nil {
			h := frameHeader{kind: kindAppend, crc: crc32.Checksum(b, castagnoli)}
			if _, err := h.checkEntries(b, m.entries, nil, nil); err != nil { // by its parts it is the same sum
				t.Fatal(err)
			}
		}
		if err == nil && short(m.request.RPCHeader) {
			f, err := appendFrame(testPool(), &m.request, nil)
			same(t, f, err, b)
		}
	})
}

// messages are all but entries, which have a target of their own. Each takes bytes for what it is called after.
var messages = []struct {
	name   string
	seeds  func() [][]byte
	decode func(t *testing.T, b []byte)
}{
	{"frame", func() [][]byte { return [][]byte{sealed(kindAppend, 3, []byte("payload"))} }, fuzzFrame},
	{"hello", func() [][]byte {
		return [][]byte{(&hello{lane: laneFetch, cluster: testCluster, id: "n1", address: "127.0.0.1:7000"}).append(nil)}
	}, fuzzHello},
	{"welcome", func() [][]byte {
		w := welcome{cluster: testCluster, id: "n1", windowBytes: 1 << 20, messageBytes: 1 << 10}
		r := w
		r.refused = "because"
		return [][]byte{w.append(nil), r.append(nil)}
	}, fuzzWelcome},
	{"vote", func() [][]byte {
		return [][]byte{payloadOf(must(voteFrame(testPool(), &raft.RequestVoteRequest{RPCHeader: header("n1"), Term: 3, LastLogIndex: 2, LastLogTerm: 1, LeadershipTransfer: true})))}
	}, fuzzVote},
	{"pre-vote", func() [][]byte {
		return [][]byte{payloadOf(must(preVoteFrame(testPool(), &raft.RequestPreVoteRequest{RPCHeader: header("n1"), Term: 3, LastLogIndex: 2, LastLogTerm: 1})))}
	}, fuzzPreVote},
	{"timeout now", func() [][]byte {
		return [][]byte{payloadOf(must(timeoutNowFrame(testPool(), &raft.TimeoutNowRequest{RPCHeader: header("n1")})))}
	}, fuzzTimeoutNow},
	{"install", func() [][]byte {
		return [][]byte{payloadOf(must(installFrame(testPool(), &raft.InstallSnapshotRequest{
			RPCHeader: header("n1"), SnapshotVersion: 1, Term: 3, Leader: []byte("n1"), LastLogIndex: 2, LastLogTerm: 1, Peers: []byte("peers"),
			Configuration: []byte("configuration"), ConfigurationIndex: 2, Size: 1 << 40,
		})))}
	}, fuzzInstall},
	{"fetch", func() [][]byte {
		return [][]byte{payloadOf((&fetchRequest{from: 1, to: 9, bytesMax: 100}).frame(testPool()))}
	}, fuzzFetch},
	{"answer", answerSeeds, fuzzAnswer},
}

// FuzzMessage gives each decoder but that of entries anything.
func FuzzMessage(f *testing.F) {
	for i, m := range messages {
		for _, seed := range m.seeds() {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		if int(which) < len(messages) {
			messages[which].decode(t, b)
		}
	})
}

func fuzzFrame(t *testing.T, b []byte) {
	if len(b) < frameHeaderBytes {
		return
	}
	h, err := parseFrameHeader(b)
	if err != nil {
		return
	}
	_ = h.kind.String()
	if h.check(b[frameHeaderBytes:]) == nil && int(h.length) == len(b)-frameHeaderBytes {
		f := testPool().newFrame(len(b))
		f.head.bytes = append(f.head.bytes, b[frameHeaderBytes:]...)
		f.seal(h.kind, h.group, h.request)
		if !bytes.Equal(f.head.bytes, b) {
			t.Fatalf("%x\nbecame %x", b, f.head.bytes)
		}
	}
}

func fuzzHello(t *testing.T, b []byte) {
	h, err := decodeHello(b)
	if err == nil && !bytes.Equal(h.append(nil), b) {
		t.Fatalf("%x\nbecame %x", b, h.append(nil))
	}
	_ = h.lane.String()
}

func fuzzWelcome(t *testing.T, b []byte) {
	w, err := decodeWelcome(b)
	if err == nil && !bytes.Equal(w.append(nil), b) {
		t.Fatalf("%x\nbecame %x", b, w.append(nil))
	}
}

func fuzzVote(t *testing.T, b []byte) {
	if r, err := decodeVote(b, &names{}); err == nil && short(r.RPCHeader) {
		f, err := voteFrame(testPool(), r)
		same(t, f, err, b)
	}
}

func fuzzPreVote(t *testing.T, b []byte) {
	if r, err := decodePreVote(b, &names{}); err == nil && short(r.RPCHeader) {
		f, err := preVoteFrame(testPool(), r)
		same(t, f, err, b)
	}
}

func fuzzTimeoutNow(t *testing.T, b []byte) {
	if r, err := decodeTimeoutNow(b, &names{}); err == nil && short(r.RPCHeader) {
		f, err := timeoutNowFrame(testPool(), r)
		same(t, f, err, b)
	}
}

func fuzzInstall(t *testing.T, b []byte) {
	if r, err := decodeInstall(b, &names{}); err == nil && short(r.RPCHeader) {
		f, err := installFrame(testPool(), r)
		same(t, f, err, b)
	}
}

func fuzzFetch(t *testing.T, b []byte) {
	if r, err := decodeFetch(b); err == nil {
		same(t, r.frame(testPool()), nil, b)
	}
}

// responses are of each kind that an answer may be read into.
func responses() []any {
	return []any{
		&raft.AppendEntriesResponse{}, &raft.RequestVoteResponse{}, &raft.RequestPreVoteResponse{}, &raft.TimeoutNowResponse{},
		&raft.InstallSnapshotResponse{}, &fetchResponse{},
	}
}

func answerSeeds() [][]byte {
	frames := []*frame{
		answerFrame(testPool(), outcomeBusy, nil, nil), answerFrame(testPool(), outcomeFailed, nil, ErrBusy),
		answerFrame(testPool(), outcomeAnswered, &fetchResponse{entriesOf(1, 3, 2000)}, nil),
		answerFrame(testPool(), outcomeAnswered, &raft.RequestVoteResponse{RPCHeader: header("n1"), Term: 3, Granted: true, Peers: []byte("peers")}, nil),
	}
	for _, r := range responses() {
		frames = append(frames, answerFrame(testPool(), outcomeAnswered, r, nil))
	}
	payloads := make([][]byte, 0, len(frames))
	for _, f := range frames {
		payloads = append(payloads, payloadOf(f))
	}
	return payloads
}

func fuzzAnswer(t *testing.T, b []byte) {
	for _, r := range responses() {
		err := decodeAnswer(b, r, &names{})
		if vote, ok := r.(*raft.RequestVoteResponse); err != nil || ok && len(vote.Peers) > addressBytesMax {
			continue
		}
		if h, ok := r.(raft.WithRPCHeader); ok && !short(h.GetRPCHeader()) {
			continue
		}
		d := decoder{rest: b}
		if a := d.answered(); len(a.text) == 0 {
			same(t, answerFrame(testPool(), a.outcome, r, nil), nil, b)
		}
	}
}

// TestBufferClasses looks at the sizes of buffers, and that a free one is used again.
func TestBufferClasses(t *testing.T) {
	for n := 0; n <= 6<<20; n += 1 + n/97 {
		class := bufferClass(n)
		switch {
		case class < 0 && n <= bufferClassBytes(bufferClasses-1):
			t.Errorf("no class for %d bytes", n)
		case class >= 0 && (n > bufferClassBytes(class) || class > 0 && n <= bufferClassBytes(class-1)):
			t.Errorf("%d bytes are of class %d, of %d", n, class, bufferClassBytes(class))
		}
	}
	p := testPool()
	p.poison = true
	b := p.get(70_000)
	first := &b.bytes[0]
	p.put(b)
	if *first != 0xdb {
		t.Error("a free buffer is not poisoned")
	}
	if large := p.get(20 << 20); len(large.bytes) != 20<<20 || large.class != -1 {
		t.Errorf("a large buffer has %d bytes, class %d", len(large.bytes), large.class)
	}
}

// TestEncodeLimits expects what does not fit into a field to be refused.
func TestEncodeLimits(t *testing.T) {
	p, long := testPool(), raft.RPCHeader{ID: make([]byte, addressBytesMax+1)}
	refused := func(_ *frame, err error) {
		t.Helper()
		if err == nil {
			t.Error("it was encoded")
		}
	}
	refused(appendFrame(p, &raft.AppendEntriesRequest{RPCHeader: long}, nil))
	refused(voteFrame(p, &raft.RequestVoteRequest{RPCHeader: long}))
	refused(preVoteFrame(p, &raft.RequestPreVoteRequest{RPCHeader: long}))
	refused(timeoutNowFrame(p, &raft.TimeoutNowRequest{RPCHeader: long}))
	refused(installFrame(p, &raft.InstallSnapshotRequest{RPCHeader: long}))
	refused(installFrame(p, &raft.InstallSnapshotRequest{Configuration: make([]byte, installBytesMax)}))
	refused(installFrame(p, &raft.InstallSnapshotRequest{Size: -1}))
	f := answerFrame(p, outcomeFailed, &raft.AppendEntriesResponse{RPCHeader: long}, &RemoteError{Text: string(make([]byte, 5000))})
	if len(f.head.bytes) > controlBytesMax {
		t.Errorf("an answer has %d bytes", len(f.head.bytes))
	}
}
