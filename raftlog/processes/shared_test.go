package processes

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/freshet-mq/freshet/raftlog"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// The log of a node whose consumers keep up: after some seconds of load it goes round in the files that it has.
const (
	segmentBytes    = 64 << 20
	logBytes        = 2 << 30
	checkpointBytes = 32 << 20
)

// shared is a node of raftlog: one log and one transport for all groups.
type shared struct {
	number   int
	dir      string
	streams  transport.Streams
	node     *raftlog.Node
	groups   []*raftlog.Group
	leading  []atomic.Bool
	watching sync.WaitGroup
}

func newShared(number, groups int, dir string) (member, error) {
	streams, err := transport.ListenTCP(context.Background(), cmp.Or(os.Getenv(addressVariable), "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	return &shared{number: number, dir: dir, streams: streams, leading: make([]atomic.Bool, groups)}, nil
}

func (s *shared) listening() string { return s.streams.Addr().String() }

func (s *shared) start(addresses []string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	node, err := raftlog.OpenNode(raftlog.NodeOptions{
		Dir: filepath.Join(s.dir, "node"), Name: strconv.Itoa(s.number), Logger: slog.New(slog.DiscardHandler),
		Connect:      raftlog.Connect(transport.Options{Streams: s.streams, Cluster: [16]byte{1}, Logger: slog.New(slog.DiscardHandler)}),
		SegmentBytes: segmentBytes, BytesMax: logBytes,
		Fatal: func(err error) {
			fmt.Fprintln(os.Stderr, "node", s.number, err)
			os.Exit(1)
		},
	})
	if err != nil {
		return err
	}
	s.node = node
	var members []raftlog.Member
	for number, address := range addresses {
		members = append(members, raftlog.Member{Node: strconv.Itoa(number), Address: address, Voter: true})
	}
	for g := range s.leading {
		group, err := node.Start(raftlog.GroupOptions{ID: raftlog.GroupNumber(g + 1), Name: "g" + strconv.Itoa(g), Machine: idle{}, Members: members, CheckpointBytes: checkpointBytes})
		if err != nil {
			return err
		}
		group.Retain(raftlog.RetainNone)
		s.groups = append(s.groups, group)
		s.watching.Go(func() {
			for l := range group.Leadership() {
				s.leading[g].Store(l.Leading)
			}
		})
	}
	return nil
}

func (s *shared) leads(group int) bool { return s.leading[group].Load() }
func (s *shared) knows(group int) bool { return s.groups[group].Status().Leader != "" }

func (s *shared) propose(group int, command []byte) func() error {
	future := s.groups[group].Propose(command)
	return func() error {
		_, err := future.Wait(context.Background())
		return err
	}
}

func (s *shared) close() error {
	err := s.node.Close()
	s.watching.Wait()
	return err
}

// idle is a state machine that does nothing.
type idle struct{}

func (idle) Apply(raftlog.Entry) any                                { return nil }
func (idle) Snapshot(bool) ([]raftlog.Record, error)                { return nil, nil }
func (idle) Restore(records iter.Seq2[raftlog.Record, error]) error { return nil }
