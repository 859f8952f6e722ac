package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A group's stable values, as kindStable carries them, keys ascending:
//
//	u32 values, then for each: u16 key length, u32 value length, key, value
//
// The group table, as kindTable carries it, groups ascending:
//
//	u64 serial of the oldest segment that is there
//	u32 last incarnation handed out
//	u32 groups, then for each:
//	    u32 group   u32 incarnation   u64 first   u64 last   u64 term of last   u32 length of its stable values, and these
//
// first is the first entry that Raft has not let go of; last is 0 when Raft knows of none.

const (
	stableValueBytes = 6
	tableHeaderBytes = 16
	tableGroupBytes  = 36
)

var errTruncated = errors.New("it ends too early")

// stableValues maps a key to its value. It is not changed once it is a group's.
type stableValues map[string][]byte

func (v stableValues) encodedBytes() int {
	n := 4
	for key, value := range v {
		n += stableValueBytes + len(key) + len(value)
	}
	return n
}

func (v stableValues) appendTo(to []byte) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(v)))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		to = binary.LittleEndian.AppendUint16(to, uint16(len(key)))
		to = binary.LittleEndian.AppendUint32(to, uint32(len(v[key])))
		to = append(to, key...)
		to = append(to, v[key]...)
	}
	return to
}

func decodeStable(from []byte) (stableValues, error) {
	if len(from) < 4 {
		return nil, errTruncated
	}
	count := binary.LittleEndian.Uint32(from)
	from = from[4:]
	if uint64(count)*stableValueBytes > uint64(len(from)) {
		return nil, fmt.Errorf("%d values in %d bytes", count, len(from))
	}
	values := make(stableValues, count)
	for range count {
		if len(from) < stableValueBytes {
			return nil, errTruncated
		}
		keyLength, valueLength := int(binary.LittleEndian.Uint16(from)), uint64(binary.LittleEndian.Uint32(from[2:]))
		from = from[stableValueBytes:]
		if uint64(keyLength)+valueLength > uint64(len(from)) {
			return nil, errTruncated
		}
		values[string(from[:keyLength])] = slices.Clone(from[keyLength : keyLength+int(valueLength)])
		from = from[keyLength+int(valueLength):]
	}
	if len(from) > 0 || len(values) != int(count) {
		return nil, fmt.Errorf("%d bytes behind the values, %d of %d keys differ", len(from), len(values), count)
	}
	return values, nil
}

func (v stableValues) equal(other stableValues) bool {
	return maps.EqualFunc(v, other, slices.Equal[[]byte])
}

// tableRow is what the table says about a group.
type tableRow struct {
	group             GroupID
	incarnation       uint32
	first, last, term uint64
	stable            stableValues
}

// table is what is true of every group where a segment begins.
type table struct {
	oldest          uint64
	lastIncarnation uint32
	rows            []tableRow
}

func (t *table) encode() []byte {
	to := binary.LittleEndian.AppendUint64(nil, t.oldest)
	to = binary.LittleEndian.AppendUint32(to, t.lastIncarnation)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(t.rows)))
	for i := range t.rows {
		row := &t.rows[i]
		to = binary.LittleEndian.AppendUint32(to, uint32(row.group))
		to = binary.LittleEndian.AppendUint32(to, row.incarnation)
		to = binary.LittleEndian.AppendUint64(to, row.first)
		to = binary.LittleEndian.AppendUint64(to, row.last)
		to = binary.LittleEndian.AppendUint64(to, row.term)
		to = binary.LittleEndian.AppendUint32(to, uint32(row.stable.encodedBytes()))
		to = row.stable.appendTo(to)
	}
	return to
}

func decodeTable(from []byte) (t table, err error) {
	if len(from) < tableHeaderBytes {
		return t, errTruncated
	}
	t.oldest = binary.LittleEndian.Uint64(from)
	t.lastIncarnation = binary.LittleEndian.Uint32(from[8:])
	count := binary.LittleEndian.Uint32(from[12:])
	from = from[tableHeaderBytes:]
	if uint64(count)*tableGroupBytes > uint64(len(from)) {
		return t, fmt.Errorf("%d groups in %d bytes", count, len(from))
	}
	t.rows = make([]tableRow, count)
	for i := range t.rows {
		if len(from) < tableGroupBytes {
			return t, errTruncated
		}
		row := &t.rows[i]
		row.group = GroupID(binary.LittleEndian.Uint32(from))
		row.incarnation = binary.LittleEndian.Uint32(from[4:])
		row.first = binary.LittleEndian.Uint64(from[8:])
		row.last = binary.LittleEndian.Uint64(from[16:])
		row.term = binary.LittleEndian.Uint64(from[24:])
		length := uint64(binary.LittleEndian.Uint32(from[32:]))
		from = from[tableGroupBytes:]
		if length > uint64(len(from)) {
			return t, errTruncated
		}
		if row.stable, err = decodeStable(from[:length]); err != nil {
			return t, fmt.Errorf("stable values of group %d: %w", row.group, err)
		}
		from = from[length:]
		if i > 0 && row.group <= t.rows[i-1].group {
			return t, fmt.Errorf("group %d behind group %d", row.group, t.rows[i-1].group)
		}
	}
	if len(from) > 0 {
		return t, fmt.Errorf("%d bytes behind the last group", len(from))
	}
	return t, nil
}
