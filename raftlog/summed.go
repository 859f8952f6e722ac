package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// summed keeps a checksum with all that a disk is given, since bbolt has none for what its pages hold: a bit that flipped in an entry would be applied by
// this node alone, one in a vote would let it vote twice. What doesn't fit its sum is refused (R4).
//
//	entry's data   data, CRC-32C of index, term, type, extensions and data
//	value          value, CRC-32C of key and value
//
// Sums are four bytes, little endian, with Castagnoli's polynomial.
type summed struct{ disk }

const sumBytes = 4

// errDamaged is what a sum says that doesn't fit.
var errDamaged = errors.New("what is stored is not what was written: its checksum doesn't fit")

func sumEntry(entry *raft.Log, data []byte) uint32 {
	var head [17]byte
	binary.LittleEndian.PutUint64(head[:], entry.Index)
	binary.LittleEndian.PutUint64(head[8:], entry.Term)
	head[16] = byte(entry.Type)
	sum := crc32.Update(0, castagnoli, head[:])
	sum = crc32.Update(sum, castagnoli, entry.Extensions)
	return crc32.Update(sum, castagnoli, data)
}

func sumValue(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// cut takes the sum off the end.
func cut(stored []byte) (content []byte, sum uint32, err error) {
	n := len(stored) - sumBytes
	if n < 0 {
		return nil, 0, errDamaged
	}
	return stored[:n:n], binary.LittleEndian.Uint32(stored[n:]), nil
}

// StoreLog implements raft.LogStore.
func (s summed) StoreLog(entry *raft.Log) error { return s.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore.
func (s summed) StoreLogs(entries []*raft.Log) error {
	stored := make([]*raft.Log, len(entries))
	for i, entry := range entries {
		own := *entry // the library's is part of a future
		own.Data = make([]byte, 0, len(entry.Data)+sumBytes)
		own.Data = append(own.Data, entry.Data...)
		own.Data = binary.LittleEndian.AppendUint32(own.Data, sumEntry(entry, entry.Data))
		stored[i] = &own
	}
	return s.disk.StoreLogs(stored)
}

// GetLog implements raft.LogStore.
func (s summed) GetLog(index uint64, entry *raft.Log) error {
	*entry = raft.Log{} // what isn't found in a record would be left as it was
	if err := s.disk.GetLog(index, entry); err != nil {
		return err
	}
	data, sum, err := cut(entry.Data)
	if err != nil || entry.Index != index || sum != sumEntry(entry, data) {
		return fmt.Errorf("raftlog: entry %d: %w", index, errDamaged)
	}
	entry.Data = data
	return nil
}

// Set implements raft.StableStore.
func (s summed) Set(key, value []byte) error {
	stored := append(make([]byte, 0, len(value)+sumBytes), value...)
	return s.disk.Set(key, binary.LittleEndian.AppendUint32(stored, sumValue(key, value)))
}

// Get implements raft.StableStore.
func (s summed) Get(key []byte) ([]byte, error) {
	stored, err := s.disk.Get(key)
	if err != nil {
		return nil, err
	}
	value, sum, err := cut(stored)
	if err != nil || sum != sumValue(key, value) {
		return nil, fmt.Errorf("raftlog: %s: %w", key, errDamaged)
	}
	return value, nil
}

// SetUint64 implements raft.StableStore.
func (s summed) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.LittleEndian.AppendUint64(nil, value))
}

// GetUint64 implements raft.StableStore.
func (s summed) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	switch {
	case err != nil:
		return 0, err
	case len(value) != 8:
		return 0, fmt.Errorf("raftlog: %s has %d bytes, not 8: %w", key, len(value), errDamaged)
	}
	return binary.LittleEndian.Uint64(value), nil
}

// check reads all that is there: damage is found before the node takes part in anything.
func (s summed) check(first, last uint64) error {
	var entry raft.Log
	for index := first; index <= last && last > 0; index++ {
		if err := s.GetLog(index, &entry); err != nil {
			return err
		}
	}
	for _, key := range stableKeys {
		if _, err := s.Get(key); err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
			return err
		}
	}
	return nil
}
