package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// witness remembers, outside Pebble, how many batches were synced. Pebble tells rot in its newest log from a torn end by a later block (32 KiB) that
// says how far the log had been synced; rot in the last block it takes for the end, and what was in it is gone without a word. With the
// witness a store that has lost anything is refused: the log before its checkpoints may be gone as well.
//
// The file has two places of one sector each, written in turn, so that a torn one leaves the other:
//
//	offset 0 and 4096:  "frshwtns"  batches(8, little endian)  CRC32C of both(4)
type witness struct {
	file vfs.File
	// batches that were synced, as the file has it.
	batches uint64
}

const (
	witnessFile  = "WITNESS"
	witnessMagic = "frshwtns"
	witnessPlace = 4096
	witnessBytes = 8 + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openWitness opens the witness of a store in a directory, and makes it for a new one.
func openWitness(files vfs.FS, dir string) (_ *witness, err error) {
	name := files.PathJoin(dir, witnessFile)
	if _, err := files.Stat(name); errors.Is(err, fs.ErrNotExist) { // opening it would make an empty one
		return makeWitness(files, dir, name)
	}
	w := &witness{}
	if w.file, err = files.OpenReadWrite(name, vfs.WriteCategoryUnspecified); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found := false
	for at := range int64(2) {
		var b [witnessBytes]byte
		if _, err := w.file.ReadAt(b[:], at*witnessPlace); err != nil {
			if errors.Is(err, io.EOF) {
				continue // the second place was never written, or never made it to disk
			}
			return nil, errors.Join(fmt.Errorf("store: reading %s: %w", name, err), w.file.Close())
		}
		if batches, ok := decodeWitness(b); ok {
			found = true
			w.batches = max(w.batches, batches)
		}
	}
	if !found {
		return nil, errors.Join(fmt.Errorf("%w: %s has no valid place", ErrCorrupt, name), w.file.Close())
	}
	return w, nil
}

// makeWitness writes a new one that has seen nothing. It gets its name when all of it is on disk.
func makeWitness(files vfs.FS, dir, name string) (*witness, error) {
	f, err := files.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	b := encodeWitness(0)
	if _, err = f.WriteAt(b[:], 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = files.Rename(name+".new", name)
	}
	if err == nil {
		err = syncDir(files, dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: making %s: %w", name, err), f.Close())
	}
	return &witness{file: f}, nil
}

func syncDir(files vfs.FS, dir string) error {
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// saw notes that so many batches are durable in Pebble, one more than before.
func (w *witness) saw(batches uint64) error {
	b := encodeWitness(batches)
	_, err := w.file.WriteAt(b[:], int64(batches%2)*witnessPlace)
	if err == nil {
		err = w.file.SyncData()
	}
	if err != nil {
		return fmt.Errorf("store: writing %s: %w", witnessFile, err)
	}
	w.batches = batches
	return nil
}

func encodeWitness(batches uint64) (b [witnessBytes]byte) {
	copy(b[:], witnessMagic)
	binary.LittleEndian.PutUint64(b[8:], batches)
	binary.LittleEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	return b
}

func decodeWitness(b [witnessBytes]byte) (batches uint64, ok bool) {
	if string(b[:8]) != witnessMagic || binary.LittleEndian.Uint32(b[16:]) != crc32.Checksum(b[:16], castagnoli) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[8:]), true
}
