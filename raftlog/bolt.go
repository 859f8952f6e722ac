package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

const (
	// boltLockTimeout is how long opening waits for another process to let go of the file.
	boltLockTimeout = time.Second
	// boltRecordBytes is what raft-boltdb's encoding of an entry has besides the command, names of fields included: 66 to
	// 80 bytes, by how large index and term are, and its sum.
	boltRecordBytes = 72 + sumBytes
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

// last is the last entry, 0 when there is none.
func (c *boltContents) last() uint64 {
	if len(c.sizes) == 0 {
		return 0
	}
	return c.first + uint64(len(c.sizes)) - 1
}

// scanBolt reads which entries the file has, without reading the entries: bbolt's leaf pages hold their lengths. The
// library's store, which has no such method, opens the file afterwards.
//
// It refuses a file that bbolt can't walk through, in words. bbolt maps files into memory, so that to look behind a file's end is a fault of the process
// (SIGBUS), and it panics where a page isn't what it should be; opening for writing it does so where nobody can recover. What is left to it is a page
// that says it were longer than it is. And of the two pages that name the last commits one may be torn by a power cut, so a bit that flips in the
// newest loses a commit unseen.
func scanBolt(path string) (contents boltContents, err error) {
	file, err := os.Stat(path)
	if err != nil {
		return contents, err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("raftlog: %s is damaged: %v", path, r)
		}
	}()
	options := boltOptions()
	options.ReadOnly = true
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		return contents, fmt.Errorf("raftlog: reading %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.Begin(false)
	if err != nil {
		return contents, fmt.Errorf("raftlog: reading %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if used := tx.Size(); file.Size() < used { // up to the last page that was ever used; bbolt makes the file longer before it writes there
		return contents, fmt.Errorf("raftlog: %s has %d bytes, and had %d at least: its end is gone", path, file.Size(), used)
	}
	err = tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
		found := bucket.Cursor()
		return bucket.ForEach(func(key, value []byte) error {
			if at, _ := found.Seek(key); !bytes.Equal(at, key) { // a way through the tree that leads elsewhere
				return fmt.Errorf("raftlog: %s is damaged: %x is not where it is looked for", path, key)
			}
			if bytes.Equal(name, boltBucket) {
				return contents.add(key, value)
			}
			known := slices.ContainsFunc(stableKeys, func(k []byte) bool { return bytes.Equal(k, key) })
			if !known { // a bit of its name has flipped: it would be missed
				return fmt.Errorf("raftlog: %s is damaged: nobody knows %q", path, key)
			}
			return nil
		})
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
