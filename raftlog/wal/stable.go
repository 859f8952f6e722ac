package wal

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// The keys that the library uses.
const (
	keyCurrentTerm   = "CurrentTerm"
	keyLastVoteTerm  = "LastVoteTerm"
	keyLastVoteCand  = "LastVoteCand"
	keyBytesMax      = 256
	stableBytesLimit = 16 << 10
)

// Set implements raft.StableStore: the value is on disk when it returns. LastVoteTerm alone is not: it is kept until
// LastVoteCand comes, and both become one record. Otherwise a crash between the two would leave the new term with the
// candidate of an older vote, and the library grants a vote again to the candidate that it finds there, before it has
// looked at the candidate's log.
func (g *Group) Set(key, value []byte) error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	b, err := g.beginSet(key, value)
	if err != nil || b == nil {
		return err
	}
	return g.log.await(b)
}

// beginSet puts the values into the open batch; the batch is nil when there is nothing to write. g.writing is held.
func (g *Group) beginSet(key, value []byte) (*batch, error) {
	if err := g.usable(); err != nil {
		return nil, err
	}
	if len(key) == 0 || len(key) > keyBytesMax {
		return nil, fmt.Errorf("%w: a key has %d bytes; it must have 1 to %d", ErrTooLarge, len(key), keyBytesMax)
	}
	g.mu.Lock()
	next := maps.Clone(g.mu.stable)
	if string(key) == keyLastVoteTerm {
		g.mu.voteTerm = slices.Clone(value)
		g.mu.Unlock()
		return nil, nil
	}
	if was, there := next[string(key)]; there && slices.Equal(was, value) && g.mu.voteTerm == nil {
		g.mu.Unlock()
		return nil, nil
	}
	next[string(key)] = slices.Clone(value)
	if string(key) == keyLastVoteCand && g.mu.voteTerm != nil {
		next[keyLastVoteTerm] = g.mu.voteTerm
		g.mu.voteTerm = nil
	}
	more := next.encodedBytes() - g.mu.stable.encodedBytes()
	g.mu.Unlock()
	if bytes := next.encodedBytes(); bytes > stableBytesLimit {
		return nil, fmt.Errorf("%w: the stable values of group %d would have %d bytes; the most is %d", ErrTooLarge, g.id, bytes, stableBytesLimit)
	}
	if err := g.log.reserveTable(more); err != nil {
		return nil, err
	}
	return g.addStable(next)
}

// writeStable writes values and waits for them. g.writing is held.
func (g *Group) writeStable(values stableValues) error {
	b, err := g.addStable(values)
	if err != nil {
		return err
	}
	return g.log.await(b)
}

func (g *Group) addStable(values stableValues) (*batch, error) {
	return g.add(recordHeader{kind: kindStable}, values.appendTo(nil), values)
}

// SetUint64 implements raft.StableStore; as Set.
func (g *Group) SetUint64(key []byte, value uint64) error {
	return g.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// Get implements raft.StableStore. A missing key is an error whose text is "not found": the library compares it so.
func (g *Group) Get(key []byte) ([]byte, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if string(key) == keyLastVoteTerm && g.mu.voteTerm != nil {
		return slices.Clone(g.mu.voteTerm), nil
	}
	value, there := g.mu.stable[string(key)]
	if !there {
		return nil, errNotFound
	}
	return slices.Clone(value), nil
}

// GetUint64 implements raft.StableStore; as Get. A value that Set stored with other than 8 bytes is an error.
func (g *Group) GetUint64(key []byte) (uint64, error) {
	value, err := g.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("wal: value %q of group %d has %d bytes, a number has 8", key, g.id, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}
