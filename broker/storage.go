package broker

import (
	"errors"
	"fmt"

	"github.com/freshet-mq/freshet/partition/store"
	"github.com/freshet-mq/freshet/raftlog"
)

// storage is what a node keeps of its partitions: one log for all of them, and their checkpoints.
type storage struct {
	log   *raftlog.Node
	state *store.Store
}

// The log is cut into files: so many of them, and none larger than so.
const (
	logFiles        = 16
	logFileBytesMax = 128 << 20
	logFileAlign    = 4 << 10
)

// openStorage opens log and checkpoints.
func openStorage(o *Options, d *directory, fatal func(error)) (*storage, error) {
	state, err := store.Open(store.Options{Dir: d.part("state"), Logger: o.Logger, Fatal: fatal})
	if err != nil {
		return nil, fmt.Errorf("the checkpoints: %w", err)
	}
	s := &storage{state: state}
	s.log, err = raftlog.OpenNode(raftlog.NodeOptions{
		Dir: d.part("log"), Name: o.Node, State: state, Connect: raftlog.Alone,
		SegmentBytes: min(logFileBytesMax, o.LogBytesMax/logFiles/logFileAlign*logFileAlign), BytesMax: o.LogBytesMax,
		Logger: o.Logger, Fatal: fatal,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the log: %w", err), state.Close())
	}
	return s, nil
}

// Close closes the log, and then what it writes checkpoints to.
func (s *storage) Close() error { return errors.Join(s.log.Close(), s.state.Close()) }
