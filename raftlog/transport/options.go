package transport

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"
)

// GroupNumber stands for a group on every node of a cluster.
type GroupNumber uint32

const (
	idBytesMax      = 128
	addressBytesMax = 255

	answerTimeoutDefault  = 5 * time.Second
	silenceTimeoutDefault = 2 * time.Second
	dialTimeoutDefault    = time.Second
	idleTimeoutDefault    = time.Minute
	timeoutMin            = 10 * time.Millisecond

	appendBytesDefault      = 2 << 20
	groupWindowBytesDefault = 8 << 20
	peerWindowBytesDefault  = 64 << 20
	entryBytesMaxDefault    = 32 << 20
	entryBytesMaxLimit      = 1 << 30
	pipelineDepthDefault    = 2
	pipelineDepthMax        = 64
)

// Options configures a Transport. Streams, LocalID and Cluster are required.
type Options struct {
	// Streams makes connections and takes them. The transport closes it.
	Streams Streams
	// LocalID is this node's name, 1 to 128 bytes, as Raft's configurations have it.
	LocalID raft.ServerID
	// LocalAddress is where other nodes reach this one, at most 255 bytes. Default: the address that Streams listens on.
	LocalAddress raft.ServerAddress
	// Cluster is told to everybody who connects. A node of another cluster is refused.
	Cluster [16]byte

	// Withhold says that this node must not speak as a leader or candidate, since its disk does not answer: heartbeats, entries,
	// snapshots and requests for votes fail with ErrWithheld instead of being sent. It is asked for every message and must
	// not block. Default: never.
	Withhold func() bool
	// PeerRefused says that the connection to a peer broke and that a new one was refused, not merely unanswered: its process is
	// gone. It is called at most once for a peer until a connection to it succeeds, and must not block. Default: nothing
	// happens.
	PeerRefused func(peer raft.ServerAddress)
	// Fetch answers a peer's Fetch: entries from..to of a group, the first of them, about so many bytes, and none where the
	// first is missing. The entries must stay as they are. It may read from disk; up to four run at a time. Default: an error.
	Fetch func(group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error)

	// HeartbeatEvery has heartbeats wait for those of other groups until the clock shows a multiple of it, so that they go together: what an idle
	// group costs is mostly that it wakes everybody. At most AnswerTimeout. Default 0: each goes at once.
	HeartbeatEvery time.Duration
	// AnswerTimeout is how long a peer that is there may take to answer a message. Default 5 s.
	AnswerTimeout time.Duration
	// SilenceTimeout is after how long without a sign of life, although asked for one, a connection is given up. Default 2 s.
	SilenceTimeout time.Duration
	// DialTimeout is how long it may take to connect and to be greeted. Default 1 s.
	DialTimeout time.Duration
	// IdleTimeout is after how long without a message from or to a peer its connections are closed. Default 1 min.
	IdleTimeout time.Duration

	// AppendBytes is how many bytes of entries go into one message, unless a single entry has more. Default 2 MiB.
	AppendBytes int
	// GroupWindowBytes is how many bytes of entries of one group may be on their way to a peer, from the first byte sent until
	// the answer is there; one message may always be. What is beyond it waits in AppendEntries. Default 8 MiB.
	GroupWindowBytes int
	// PeerWindowBytes is the same for all groups together; also then one message of each group may be on its way, cut to one
	// entry. A node holds twice as much of a peer's messages, and refuses what is beyond (ErrBusy). Default 64 MiB.
	PeerWindowBytes int
	// EntryBytesMax is the largest entry, data and extensions together, up to 1 GiB. Default 32 MiB.
	EntryBytesMax int
	// PipelineDepth is how many AppendEntries of a pipeline are on their way before it blocks. Default 2, as the library's.
	PipelineDepth int

	// Logger gets what is worth reading. Default slog.Default().
	Logger *slog.Logger
	// Random draws the jitter of redials and where request numbers begin. Default math/rand/v2.
	Random func() uint64

	// poison overwrites receive buffers when they become free, so that tests see who still looks at one.
	poison bool
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.LocalAddress == "" && o.Streams != nil {
		o.LocalAddress = raft.ServerAddress(o.Streams.Addr().String())
	}
	if o.Withhold == nil {
		o.Withhold = func() bool { return false }
	}
	if o.PeerRefused == nil {
		o.PeerRefused = func(raft.ServerAddress) {}
	}
	if o.Fetch == nil {
		o.Fetch = func(GroupNumber, uint64, uint64, int) ([]*raft.Log, error) {
			return nil, errors.New("transport: this node gives no entries")
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.AnswerTimeout, answerTimeoutDefault},
		{&o.SilenceTimeout, silenceTimeoutDefault},
		{&o.DialTimeout, dialTimeoutDefault},
		{&o.IdleTimeout, idleTimeoutDefault},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *int
		value int
	}{
		{&o.AppendBytes, appendBytesDefault},
		{&o.GroupWindowBytes, groupWindowBytesDefault},
		{&o.PeerWindowBytes, peerWindowBytesDefault},
		{&o.EntryBytesMax, entryBytesMaxDefault},
		{&o.PipelineDepth, pipelineDepthDefault},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
}

// Validate says which field can't be worked with, and why. It is meant to be called after EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Streams == nil:
		return errors.New("transport: Streams is required")
	case o.LocalID == "" || len(o.LocalID) > idBytesMax:
		return fmt.Errorf("transport: LocalID has %d bytes; it must have 1 to %d", len(o.LocalID), idBytesMax)
	case o.LocalAddress == "" || len(o.LocalAddress) > addressBytesMax:
		return fmt.Errorf("transport: LocalAddress has %d bytes; it must have 1 to %d", len(o.LocalAddress), addressBytesMax)
	case o.Cluster == [16]byte{}:
		return errors.New("transport: Cluster is required")
	case o.AppendBytes < 1 || o.AppendBytes > entryBytesMaxLimit:
		return fmt.Errorf("transport: AppendBytes is %d; it must be from 1 to %d", o.AppendBytes, entryBytesMaxLimit)
	case o.GroupWindowBytes < o.AppendBytes:
		return fmt.Errorf("transport: GroupWindowBytes is %d; it must be at least AppendBytes, %d", o.GroupWindowBytes, o.AppendBytes)
	case o.PeerWindowBytes < o.GroupWindowBytes || int64(o.PeerWindowBytes) > peerWindowBytesLimit:
		return fmt.Errorf("transport: PeerWindowBytes is %d; it must be from GroupWindowBytes, %d, to %d", o.PeerWindowBytes, o.GroupWindowBytes, int64(peerWindowBytesLimit))
	case o.HeartbeatEvery < 0 || o.HeartbeatEvery > o.AnswerTimeout:
		return fmt.Errorf("transport: HeartbeatEvery is %v; it must be from 0 to AnswerTimeout, %v", o.HeartbeatEvery, o.AnswerTimeout)
	case o.EntryBytesMax < 1 || o.EntryBytesMax > entryBytesMaxLimit:
		return fmt.Errorf("transport: EntryBytesMax is %d; it must be from 1 to %d", o.EntryBytesMax, entryBytesMaxLimit)
	case o.PipelineDepth < 1 || o.PipelineDepth > pipelineDepthMax:
		return fmt.Errorf("transport: PipelineDepth is %d; it must be from 1 to %d", o.PipelineDepth, pipelineDepthMax)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"AnswerTimeout", o.AnswerTimeout},
		{"SilenceTimeout", o.SilenceTimeout},
		{"DialTimeout", o.DialTimeout},
		{"IdleTimeout", o.IdleTimeout},
	} {
		if d.value < timeoutMin {
			return fmt.Errorf("transport: %s is %v; it must be at least %v", d.field, d.value, timeoutMin)
		}
	}
	return nil
}

// peerWindowBytesLimit keeps the window within what a greeting can say.
const peerWindowBytesLimit = 1 << 40

// tick is how often connections are looked at: deadlines are met within that, or within HeartbeatEvery where that is not much more, so that both
// need one look.
func (o *Options) tick() time.Duration {
	tick := max(min(o.SilenceTimeout, o.AnswerTimeout)/8, time.Millisecond)
	if o.HeartbeatEvery > tick/2 && o.HeartbeatEvery < 2*tick {
		return o.HeartbeatEvery
	}
	return tick
}

// untilMultiple is how long it takes until a clock shows a multiple of a time. Who wakes at the same moments as others, here and on other nodes,
// wakes a processor that is awake.
func untilMultiple(now time.Time, of time.Duration) time.Duration {
	return of - time.Duration(now.UnixNano()%int64(of))
}
