package broker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/partition/store"
	"github.com/freshet-mq/freshet/raftlog"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// storage is what a node keeps of its partitions: one log for all of them, and their checkpoints. The log's connections to the other nodes carry
// the metadata's messages too.
type storage struct {
	log   *raftlog.Node
	state *store.Store
	// lines are the log's connections; nil where there are no other nodes.
	lines raftlog.Transport
	// watching is the group that is told of the ends of other processes as the log's own are.
	watching atomic.Pointer[raftlog.Group]
}

// The log is cut into files, at least so many of them, of whole blocks.
const (
	logFiles     = 16
	logFileAlign = 4 << 10
)

// openStorage opens log and checkpoints, and begins to take connections of other nodes, where there are any.
func openStorage(o *Options, d *directory, port *peerPort, synced func(int, time.Duration), fatal func(error)) (*storage, error) {
	if err := makeDirectory(o.FS, d.path); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := checkStorage(o, d); err != nil {
		return nil, err
	}
	state, err := store.Open(store.Options{FS: o.FS, Dir: d.part("state"), Logger: o.Logger, Fatal: neverReturning(fatal)})
	if err != nil {
		return nil, fmt.Errorf("the checkpoints: %w", err)
	}
	s := &storage{state: state}
	s.log, err = raftlog.OpenNode(raftlog.NodeOptions{
		Dir: d.part("log"), FS: o.FS, Name: d.raftName(), State: state, Connect: s.connect(o, port),
		SegmentBytes: min(o.LogSegmentBytes, o.LogBytesMax/logFiles) / logFileAlign * logFileAlign, BytesMax: o.LogBytesMax,
		Synced: synced, Logger: o.Logger, Fatal: fatal,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the log: %w", err), state.Close())
	}
	return s, nil
}

// endWithin is how long whoever runs the node may take over the process's end, once told that it can't go on.
const endWithin = 30 * time.Second

// neverReturning tells, and holds the goroutine on which a write of the checkpoints failed: it must not go on, and the end of it in a panic would leave a
// stack trace in place of the reason. Close waits for it, so the process has to end without (cmd/freshet's runNode does). One that doesn't end panics.
func neverReturning(fatal func(error)) func(error) {
	return func(err error) {
		fatal(err)
		<-time.After(endWithin)
		panic(err)
	}
}

// checkStorage refuses a directory that has joined a cluster and has lost its log or its checkpoints: the node would vote against what it has promised,
// and count for a majority that lacks what it had stored.
func checkStorage(o *Options, d *directory) error {
	if d.Partitions == 0 {
		return nil
	}
	for _, part := range []string{"log", "state"} {
		if _, err := o.FS.Stat(d.part(part)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("data directory %s has lost %s/, which it had when the node joined its cluster: bring it back as it was, or start the node with an empty directory and have it replaced", d.path, part)
		}
	}
	return nil
}

// connect makes the log's connections, and keeps them for the metadata.
func (s *storage) connect(o *Options, port *peerPort) func(raftlog.Hooks) (raftlog.Transport, error) {
	if port == nil {
		return raftlog.Alone
	}
	return func(hooks raftlog.Hooks) (raftlog.Transport, error) {
		told := hooks.PeerRefused
		hooks.PeerRefused = func(peer transport.Address) {
			told(peer)
			if g := s.watching.Load(); g != nil {
				g.PeerRefused(string(peer))
			}
		}
		lines, err := raftlog.Connect(transport.Options{
			Streams: port.log, LocalAddress: transport.Address(o.peerAddress()), Cluster: clusterTag(o.Cluster),
		})(hooks)
		s.lines = lines
		return lines, err
	}
}

// clusterTag is what nodes of one cluster greet each other with. Its name is all that they know of it before they have joined.
func clusterTag(name string) (tag [16]byte) {
	sum := sha256.Sum256([]byte("freshet cluster " + name))
	copy(tag[:], sum[:])
	return tag
}

// line is what carries a group's messages; nil where there are no other nodes.
func (s *storage) line(group raftlog.GroupNumber) raftlog.GroupTransport {
	if s.lines == nil {
		return nil
	}
	return s.lines.Group(group)
}

// watch has a group told when another node's process has ended.
func (s *storage) watch(g *raftlog.Group) { s.watching.Store(g) }

// Close closes the log, and then what it writes checkpoints to.
func (s *storage) Close() error { return errors.Join(s.log.Close(), s.state.Close()) }
