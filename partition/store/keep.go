package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet-mq/freshet/raftlog"
)

// ErrNoCheckpoint is returned by Keep for a group that hasn't one yet: there is nothing to keep it beside.
var ErrNoCheckpoint = errors.New("store: the group has no checkpoint yet")

// Group is one group's part of a store, for who keeps records beside its checkpoint.
type Group struct {
	store  *Store
	number raftlog.GroupNumber
}

// Group returns a group's part. The group needn't have a checkpoint yet.
func (s *Store) Group(number raftlog.GroupNumber) Group { return Group{s, number} }

// Covered returns the entry that the group's checkpoint stands for; 0 when it has none.
func (g Group) Covered() (uint64, error) {
	meta, _, err := g.store.Latest(g.number)
	return meta.Index, err
}

// Keep is Store.Keep.
func (g Group) Keep(records []raftlog.Record) error { return g.store.Keep(g.number, records) }

// Kept is Store.Kept.
func (g Group) Kept(key []byte) (value []byte, found bool, err error) {
	return g.store.Kept(g.number, key)
}

// Keep adds records to a group's checkpoint between two commits, without changing what it stands for. They are durable when it returns. A later
// Commit changes and removes them as any others, a whole one replaces them, and readers find them from now on: so whoever installs the
// checkpoint has them too. A record without a value is refused: what goes, goes with the commit of a state that doesn't want it.
func (s *Store) Keep(number raftlog.GroupNumber, records []raftlog.Record) (err error) {
	g := s.group(number)
	g.mu.Lock()
	defer g.mu.Unlock()
	latest := g.latest.Load()
	if latest == nil {
		return fmt.Errorf("%w: group %d", ErrNoCheckpoint, number)
	}
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for _, record := range records {
		if record.Value == nil {
			return fmt.Errorf("store: keeping %q of group %d: it has no value", record.Key, number)
		}
		if err := batch.Set(recordKey(number, latest.generation, record.Key), record.Value, nil); err != nil {
			return fmt.Errorf("store: keeping records of group %d: %w", number, err)
		}
	}
	if err := s.sync(batch); err != nil {
		return fmt.Errorf("store: keeping records of group %d: %w", number, err)
	}
	return nil
}

// Kept returns one record of a group's checkpoint, as it is now; false when there is none under the key.
func (s *Store) Kept(number raftlog.GroupNumber, key []byte) (value []byte, found bool, err error) {
	g := s.group(number)
	for latest := g.latest.Load(); latest != nil; {
		value, found, err = s.get(recordKey(number, latest.generation, key))
		now := g.latest.Load()
		if err != nil || found || now == nil || now.generation == latest.generation {
			break
		}
		latest = now // replaced while we looked
	}
	if err != nil {
		err = fmt.Errorf("store: reading %q of group %d: %w", key, number, err)
	}
	return value, found, err
}

func (s *Store) get(key []byte) ([]byte, bool, error) {
	v, done, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value := append([]byte{}, v...)
	return value, true, done.Close()
}
