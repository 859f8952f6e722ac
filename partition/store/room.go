package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// unreserved is a file system whose files take room as they are written. Pebble sets aside 110 % of a memtable for each of its logs, 70 MiB, of which there
// are two or three while tables are written: a disk of 256 MiB was full with a megabyte of state on it, and stayed so, since the tables that would have
// freed the logs had no room either. Commits cost little more without (BenchmarkCommit, three pairs, medians: ten records 0.37 ms, before
// 0.34; ten thousand 13.2, before 12.6).
//
// And it tells of directories' syncs that fail: Pebble panics then, also on goroutines of its own.
type unreserved struct {
	vfs.FS
	fatal func(error)
}

// OpenDir implements vfs.FS.
func (fs unreserved) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return directory{f, name, fs.fatal}, nil
}

// directory is one of its directories.
type directory struct {
	vfs.File
	name  string
	fatal func(error)
}

// Sync implements vfs.File. What failed is fatal (R4).
func (d directory) Sync() error {
	err := d.File.Sync()
	if err != nil {
		err = fmt.Errorf("store: syncing %s: %w", d.name, err)
		d.fatal(err)
	}
	return err
}

func (fs unreserved) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return grown(fs.FS.Create(name, category))
}

func (fs unreserved) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return grown(fs.FS.OpenReadWrite(name, category, options...))
}

func (fs unreserved) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return grown(fs.FS.ReuseForWrite(from, to, category))
}

// Unwrap implements vfs.FS.
func (fs unreserved) Unwrap() vfs.FS { return fs.FS }

// grownFile is one of its files.
type grownFile struct{ vfs.File }

func grown(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return grownFile{f}, nil
}

// Preallocate does nothing.
func (grownFile) Preallocate(int64, int64) error { return nil }
