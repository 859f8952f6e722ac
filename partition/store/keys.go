package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/freshet-mq/freshet/raftlog"
)

// Keys begin with a letter. Numbers in keys are big endian, so that they sort; in values they are varints.
//
//	'f'                                 format of this drawing: version(1), and how many batches were synced(8), which every one of them counts
//	'm' group(4)                        meta of the group's checkpoint
//	'r' group(4) generation(8) key      a record of it: value
//
// meta:
//
//	version(1) generation index term membershipIndex membership(length, bytes)
//
// Which generation is the checkpoint, meta alone says. Generations rise; one that isn't meta's is of a checkpoint that was replaced, or never
// came to be.
const (
	letterFormat = 'f'
	letterMeta   = 'm'
	letterRecord = 'r'

	storeVersion = 1
	metaVersion  = 1

	recordHead = 1 + 4 + 8
)

// ErrCorrupt marks what this package didn't write, and a store that has lost some of what it had.
var ErrCorrupt = errors.New("store: corrupt")

var formatKey = []byte{letterFormat}

func encodeFormat(batches uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{storeVersion}, batches)
}

func decodeFormat(b []byte) (batches uint64, err error) {
	if len(b) != 1+8 || b[0] != storeVersion {
		return 0, fmt.Errorf("%w: the format is %x, this build knows version %d and 8 bytes", ErrCorrupt, b, storeVersion)
	}
	return binary.BigEndian.Uint64(b[1:]), nil
}

func metaKey(g raftlog.GroupNumber) []byte {
	return binary.BigEndian.AppendUint32([]byte{letterMeta}, uint32(g))
}

// groupSpan is all records of a group.
func groupSpan(g raftlog.GroupNumber) (from, to []byte) {
	from = binary.BigEndian.AppendUint32([]byte{letterRecord}, uint32(g))
	if g == ^raftlog.GroupNumber(0) {
		return from, []byte{letterRecord + 1}
	}
	return from, binary.BigEndian.AppendUint32([]byte{letterRecord}, uint32(g)+1)
}

// generationSpan is all records of a generation. Generations never reach the last number.
func generationSpan(g raftlog.GroupNumber, generation uint64) (from, to []byte) {
	return recordKey(g, generation, nil), recordKey(g, generation+1, nil)
}

func recordKey(g raftlog.GroupNumber, generation uint64, key []byte) []byte {
	k := make([]byte, 0, recordHead+len(key))
	k = append(k, letterRecord)
	k = binary.BigEndian.AppendUint32(k, uint32(g))
	k = binary.BigEndian.AppendUint64(k, generation)
	return append(k, key...)
}

// generationOf takes a record's key apart.
func generationOf(key []byte) (g raftlog.GroupNumber, generation uint64, err error) {
	if len(key) < recordHead || key[0] != letterRecord {
		return 0, 0, fmt.Errorf("%w: a key of %d bytes that is no record's: %x", ErrCorrupt, len(key), key)
	}
	return raftlog.GroupNumber(binary.BigEndian.Uint32(key[1:])), binary.BigEndian.Uint64(key[5:]), nil
}

// checkpoint is what meta says.
type checkpoint struct {
	generation uint64
	meta       raftlog.CheckpointMeta
}

func (c *checkpoint) encode() []byte {
	b := []byte{metaVersion}
	for _, v := range []uint64{c.generation, c.meta.Index, c.meta.Term, c.meta.MembershipIndex, uint64(len(c.meta.Membership))} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, c.meta.Membership...)
}

func decodeCheckpoint(b []byte) (c checkpoint, err error) {
	if len(b) == 0 || b[0] != metaVersion {
		return c, fmt.Errorf("%w: meta of %d bytes doesn't begin with version %d", ErrCorrupt, len(b), metaVersion)
	}
	b = b[1:]
	var length uint64
	for _, v := range []*uint64{&c.generation, &c.meta.Index, &c.meta.Term, &c.meta.MembershipIndex, &length} {
		number, n := binary.Uvarint(b)
		if n <= 0 {
			return checkpoint{}, fmt.Errorf("%w: meta breaks off", ErrCorrupt)
		}
		*v, b = number, b[n:]
	}
	if length != uint64(len(b)) {
		return checkpoint{}, fmt.Errorf("%w: meta has a membership of %d bytes, and says %d", ErrCorrupt, len(b), length)
	}
	if length > 0 {
		c.meta.Membership = append([]byte(nil), b...)
	}
	return c, nil
}
