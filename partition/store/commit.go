package store

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet-mq/freshet/raftlog"
)

const (
	// buildBytes is how large a batch becomes while a generation is built aside.
	buildBytes = 4 << 20
	// changeBytesMax is the most that one Commit of changes may have: 1 GiB, since all of it becomes durable in one batch, and Pebble's end at 4.
	changeBytesMax = 1 << 30
)

// Commit implements raftlog.StateStore. Changes are one synced batch. A whole state is written aside, in batches that nobody waits for: Pebble's log
// keeps their order, so that the last one's sync, which names the new generation and removes the old, makes all of them durable.
//
// When records yields an error, or what no checkpoint can have, the checkpoint stays what it was, and the error is returned.
func (s *Store) Commit(
	number raftlog.GroupNumber, meta raftlog.CheckpointMeta, records iter.Seq2[raftlog.Record, error], whole bool,
) error {
	meta.Membership = slices.Clone(meta.Membership) // it is the caller's again when this returns
	g := s.group(number)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !whole {
		if err := s.change(number, g, meta, records); err != nil {
			return fmt.Errorf("store: changing the checkpoint of group %d: %w", number, err)
		}
		return nil
	}
	if err := s.replace(number, g, meta, records); err != nil {
		return fmt.Errorf("store: replacing the checkpoint of group %d: %w", number, err)
	}
	return nil
}

// change adds to the live generation. The caller holds the group's lock.
func (s *Store) change(number raftlog.GroupNumber, g *group, meta raftlog.CheckpointMeta, records iter.Seq2[raftlog.Record, error]) (err error) {
	latest := g.latest.Load()
	switch {
	case latest == nil:
		return errors.New("there is none")
	case meta.Index < latest.meta.Index:
		return fmt.Errorf("it is of entry %d already, and mustn't go back to %d", latest.meta.Index, meta.Index)
	}
	next := &checkpoint{generation: latest.generation, meta: meta}
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for record, err := range records {
		if err != nil {
			return err
		}
		key := recordKey(number, next.generation, record.Key)
		if record.Value == nil {
			err = batch.Delete(key, nil)
		} else {
			err = batch.Set(key, record.Value, nil)
		}
		if err != nil {
			return err
		}
		if batch.Len() > changeBytesMax {
			return fmt.Errorf("it has more than %d bytes, the limit of one commit", changeBytesMax)
		}
	}
	return s.swap(number, g, next, batch)
}

// replace builds a new generation, and swaps. The caller holds the group's lock.
func (s *Store) replace(number raftlog.GroupNumber, g *group, meta raftlog.CheckpointMeta, records iter.Seq2[raftlog.Record, error]) (err error) {
	g.last++
	next := &checkpoint{generation: g.last, meta: meta}
	if err := s.build(number, next.generation, records); err != nil {
		// Nobody sees what was built, and the next Open would find it. No sync: what is left after a crash goes then.
		from, to := generationSpan(number, next.generation)
		return errors.Join(err, s.db.DeleteRange(from, to, pebble.NoSync))
	}
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	if latest := g.latest.Load(); latest != nil {
		from, to := generationSpan(number, latest.generation)
		if err := batch.DeleteRange(from, to, nil); err != nil {
			return err
		}
	}
	return s.swap(number, g, next, batch)
}

// build writes a generation's records.
func (s *Store) build(number raftlog.GroupNumber, generation uint64, records iter.Seq2[raftlog.Record, error]) (err error) {
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for record, err := range records {
		if err != nil {
			return err
		}
		if record.Value == nil {
			return fmt.Errorf("the record %q of a whole state has no value", record.Key)
		}
		if err := batch.Set(recordKey(number, generation, record.Key), record.Value, nil); err != nil {
			return err
		}
		if batch.Len() >= buildBytes {
			if err := s.commit(batch, pebble.NoSync); err != nil {
				return err
			}
			batch.Reset()
		}
	}
	if batch.Empty() {
		return nil
	}
	return s.commit(batch, pebble.NoSync)
}

// commit commits a batch. Whatever fails there is fatal (R4), and behind what was fatal none is begun any more: Pebble panics where its own log has failed before, under
// locks that it doesn't hold by then. A panic of one that was on its way meanwhile is told as the failure it is, where Go lets it be.
func (s *Store) commit(batch *pebble.Batch, options *pebble.WriteOptions) (err error) {
	defer func() {
		switch failure := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("writing the log of the checkpoints: %w", failure)
		default:
			panic(failure)
		}
		if err != nil {
			s.options.Fatal(err)
		}
	}()
	if s.broken.Load() {
		return errors.New("an earlier write of the checkpoints has failed")
	}
	return batch.Commit(options)
}

// swap makes a batch durable together with the meta that stands for what is then there.
func (s *Store) swap(number raftlog.GroupNumber, g *group, next *checkpoint, batch *pebble.Batch) error {
	if err := batch.Set(metaKey(number), next.encode(), nil); err != nil {
		return err
	}
	if err := s.sync(batch); err != nil {
		return err
	}
	g.latest.Store(next)
	return nil
}
