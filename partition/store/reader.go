package store

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet-mq/freshet/raftlog"
)

// reader reads one checkpoint. Pebble's snapshot holds it, whatever is written meanwhile; room on disk that was given up since is free again
// when the reader is closed.
type reader struct {
	snapshot *pebble.Snapshot
	number   raftlog.GroupNumber
	at       checkpoint
}

// Open implements raftlog.StateStore.
func (s *Store) Open(number raftlog.GroupNumber) (raftlog.StateReader, error) {
	r := &reader{snapshot: s.db.NewSnapshot(), number: number}
	meta, done, err := r.snapshot.Get(metaKey(number)) // as it is in the snapshot: a swap may come between any two looks
	if err == nil {
		r.at, err = decodeCheckpoint(meta)
		err = errors.Join(err, done.Close())
	}
	if err == nil {
		return r, nil
	}
	if errors.Is(err, pebble.ErrNotFound) {
		err = errors.New("there is none")
	}
	return nil, errors.Join(fmt.Errorf("store: opening the checkpoint of group %d: %w", number, err), r.snapshot.Close())
}

// Meta implements raftlog.StateReader.
func (r *reader) Meta() raftlog.CheckpointMeta { return r.at.meta }

// Records implements raftlog.StateReader.
func (r *reader) Records() iter.Seq2[raftlog.Record, error] {
	return func(yield func(raftlog.Record, error) bool) {
		from, to := generationSpan(r.number, r.at.generation)
		it, err := r.snapshot.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			yield(raftlog.Record{}, fmt.Errorf("store: reading the checkpoint of group %d: %w", r.number, err))
			return
		}
		for it.First(); it.Valid(); it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				break // the iterator says it below
			}
			if value == nil {
				value = []byte{} // there is a record, of nothing
			}
			if !yield(raftlog.Record{Key: it.Key()[recordHead:], Value: value}, nil) {
				_ = it.Close() // of the walk that nobody wants to go on with: what it would say is not asked any more
				return
			}
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			yield(raftlog.Record{}, fmt.Errorf("store: reading the checkpoint of group %d: %w", r.number, err))
		}
	}
}

// Close implements raftlog.StateReader.
func (r *reader) Close() error { return r.snapshot.Close() }
