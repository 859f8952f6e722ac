package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

const (
	// boltLockTimeout is how long opening waits for another process to let go of the file.
	boltLockTimeout = time.Second
	// boltRecordBytes is what raft-boltdb's encoding of an entry has besides the command, names of fields included: 66 to
	// 80 bytes, by how large index and term are.
	boltRecordBytes = 72
)

// boltBucket is where raft-boltdb keeps entries: keys are indexes, big-endian.
var boltBucket = []byte("logs")

func boltOptions() *bbolt.Options {
	return &bbolt.Options{
		Timeout: boltLockTimeout,
		// The list of free pages is found again when the file is opened: written with each commit it grew without bound
		// where large values come and go.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	}
}

// openBolt opens the file for the library, and makes it when it is not there.
func openBolt(path string) (*raftboltdb.BoltStore, error) {
	bolt, err := raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: boltOptions()})
	if err != nil {
		return nil, fmt.Errorf("raftlog: opening %s: %w", path, err)
	}
	return bolt, nil
}

// boltContents says which entries a file has.
type boltContents struct {
	first uint64
	sizes []uint32 // of the commands, to within some bytes
}

func (c *boltContents) last() uint64 { return c.first + uint64(len(c.sizes)) - 1 }

// scanBolt reads which entries the file has, without reading the entries: bbolt's leaf pages hold their lengths. The
// library's store, which has no such method, opens the file afterwards.
//
// It refuses a file whose end is gone. bbolt maps files into memory, and to look at what isn't there ends the process (SIGBUS).
func scanBolt(path string) (contents boltContents, err error) {
	file, err := os.Stat(path)
	if err != nil {
		return contents, err
	}
	options := boltOptions()
	options.ReadOnly = true
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		return contents, fmt.Errorf("raftlog: reading %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bbolt.Tx) error {
		if used := tx.Size(); file.Size() < used { // up to the last page that was ever used; bbolt makes the file longer before it writes there
			return fmt.Errorf("raftlog: %s has %d bytes, and had %d at least: its end is gone", path, file.Size(), used)
		}
		bucket := tx.Bucket(boltBucket)
		if bucket == nil { // the process died while it made the file
			return nil
		}
		return bucket.ForEach(contents.add)
	})
	return contents, err
}

// add counts one record.
func (c *boltContents) add(key, value []byte) error {
	if len(key) != 8 {
		return fmt.Errorf("raftlog: a key of the log has %d bytes, not 8", len(key))
	}
	index := binary.BigEndian.Uint64(key)
	if len(c.sizes) == 0 {
		c.first = index
	} else if index != c.last()+1 {
		return fmt.Errorf("raftlog: the log has entry %d behind entry %d: what was between them is gone", index, c.last())
	}
	c.sizes = append(c.sizes, uint32(max(0, len(value)-boltRecordBytes))) // Propose refuses more than 16 MiB
	return nil
}
