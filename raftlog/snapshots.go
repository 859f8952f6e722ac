package raftlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/pprof"

	"github.com/hashicorp/raft"
)

// stateSnapshots is a view of a StateStore as raft.SnapshotStore: a group has one snapshot, the checkpoint that is durable.
//
//	checkpoint: Create, stateSink.commit(records, whole) ──────────────────────▶ StateStore.Commit
//	install:    Create, Write ──▶ pipe ──▶ readRecords ────────────────────────▶ StateStore.Commit, whole
//	send:       Open, Read ◀── pipe ◀── writeRecords ◀── StateReader.Records ◀── StateStore.Open
type stateSnapshots struct {
	group  GroupNumber
	states StateStore
	// failed is told of an error of the store's own: nobody knows what is on disk then.
	failed func(error)
	// sized says whether Open must find out how long the stream is: only who sends it wants to know.
	sized func() bool
}

// Create implements raft.SnapshotStore.
func (s *stateSnapshots) Create(_ raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	text, err := encodeMembership(configuration)
	if err != nil {
		return nil, err
	}
	meta := CheckpointMeta{Index: index, Term: term, Membership: text, MembershipIndex: configurationIndex}
	return &stateSink{store: s, meta: meta}, nil
}

// List implements raft.SnapshotStore.
func (s *stateSnapshots) List() ([]*raft.SnapshotMeta, error) {
	latest, there, err := s.states.Latest(s.group)
	if err != nil || !there {
		return nil, err
	}
	meta, err := snapshotMeta(latest)
	if err != nil {
		return nil, err
	}
	return []*raft.SnapshotMeta{meta}, nil
}

// Open implements raft.SnapshotStore. There is one snapshot; when another has taken its place since it was listed, that one is
// opened, and says so.
func (s *stateSnapshots) Open(string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	reader, err := s.states.Open(s.group)
	if err != nil {
		return nil, nil, err
	}
	meta, err := snapshotMeta(reader.Meta())
	if err == nil && s.sized() {
		meta.Size, err = streamBytes(reader.Records())
	}
	if err != nil {
		return nil, nil, errors.Join(err, reader.Close())
	}
	return meta, &stateStream{reader: reader}, nil
}

func snapshotMeta(latest CheckpointMeta) (*raft.SnapshotMeta, error) {
	configuration, err := decodeMembership(latest.Membership)
	if err != nil {
		return nil, err
	}
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: snapshotID(latest), Index: latest.Index, Term: latest.Term,
		Configuration: configuration, ConfigurationIndex: latest.MembershipIndex,
	}, nil
}

func snapshotID(meta CheckpointMeta) string { return fmt.Sprintf("%d-%d", meta.Term, meta.Index) }

// stateSink is one checkpoint on its way into the store.
type stateSink struct {
	store *stateSnapshots
	meta  CheckpointMeta
	// install alone:
	pipe   *io.PipeWriter
	result chan error
}

// ID implements raft.SnapshotSink.
func (s *stateSink) ID() string { return snapshotID(s.meta) }

// commit makes a checkpoint of records durable.
func (s *stateSink) commit(records []Record, whole bool) error {
	err := s.store.states.Commit(s.store.group, s.meta, all(records), whole)
	if err != nil {
		err = fmt.Errorf("raftlog: storing the checkpoint of entry %d: %w", s.meta.Index, err)
		s.store.failed(err)
	}
	return err
}

// judge tells an error of the store's from one of the stream that it was given: after that, nothing has changed.
func (s *stateSink) judge(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("raftlog: storing the installed checkpoint of entry %d: %w", s.meta.Index, err)
	if !errors.Is(err, errRecords) {
		s.store.failed(err)
	}
	return err
}

// Write implements raft.SnapshotSink for an install: the stream is decoded as it comes.
func (s *stateSink) Write(p []byte) (int, error) {
	if s.pipe == nil {
		s.begin()
	}
	return s.pipe.Write(p)
}

// begin starts the goroutine that stores what is written. Close and Cancel join it.
func (s *stateSink) begin() {
	from, to := io.Pipe()
	s.pipe, s.result = to, make(chan error, 1)
	labels := pprof.Labels("role", "raft-install", "stage", stageCommit, "group", fmt.Sprint(s.store.group))
	//nolint:forbidigo // pprof takes labels only with a context; nothing is cancelled by it
	go pprof.Do(context.Background(), labels, func(context.Context) {
		err := s.store.states.Commit(s.store.group, s.meta, readRecords(from), true)
		// Who still writes is not left waiting.
		s.result <- errors.Join(err, from.CloseWithError(errors.Join(errRecords, err)))
	})
}

// Close implements raft.SnapshotSink. For a checkpoint all is done.
func (s *stateSink) Close() error {
	if s.pipe == nil {
		return nil
	}
	return s.judge(errors.Join(s.pipe.Close(), <-s.result))
}

// Cancel implements raft.SnapshotSink.
func (s *stateSink) Cancel() error {
	if s.pipe == nil {
		return nil
	}
	err := s.pipe.CloseWithError(fmt.Errorf("%w: the install was given up", errRecords))
	if stored := <-s.result; stored == nil || !errors.Is(stored, errRecords) {
		err = errors.Join(err, s.judge(stored))
	}
	return err
}

// stateStream is an opened checkpoint: as records where it is restored, as a stream where it is sent.
type stateStream struct {
	reader StateReader
	stream *bufio.Reader
	pipe   *io.PipeReader
	ended  chan struct{}
}

func (s *stateStream) records() iter.Seq2[Record, error] { return s.reader.Records() }

// Read implements io.Reader.
func (s *stateStream) Read(p []byte) (int, error) {
	if s.stream == nil {
		from, to := io.Pipe()
		s.pipe, s.stream, s.ended = from, bufio.NewReaderSize(from, 64<<10), make(chan struct{})
		go func() { // joined by Close
			defer close(s.ended)
			buffered := bufio.NewWriterSize(to, 64<<10)
			err := writeRecords(buffered, s.reader.Records())
			if err == nil {
				err = buffered.Flush()
			}
			to.CloseWithError(err)
		}()
	}
	return s.stream.Read(p)
}

// Close implements io.Closer.
func (s *stateStream) Close() error {
	if s.pipe != nil {
		closed := s.pipe.Close()
		<-s.ended
		return errors.Join(closed, s.reader.Close())
	}
	return s.reader.Close()
}
