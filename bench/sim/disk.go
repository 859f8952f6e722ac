package sim

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// syncTimeMin and syncTimeMax are what a sync of the log takes: what was written lies unsynced that long.
	syncTimeMin = 200 * time.Microsecond
	syncTimeMax = 8 * time.Millisecond
)

// errDisk is what a disk says that fails.
var errDisk = errors.New("input/output error")

// disk is what a node has between itself and its files while it runs; the next start has another. What is slow, stalled or failing is
// the log, whose writer waits for its disk without a lock. The checkpoints' store (Pebble) holds locks while it syncs, which virtual
// time takes for work that goes on.
type disk struct {
	vfs.FS
	mu struct {
		sync.Mutex
		random *rand.Rand
		stall  chan struct{} // closed when it is over; nil: there is none
		broken bool
		// bit is set when a fault has met a write, denied when that was refused.
		bit, denied bool
	}
}

func newDisk(fs vfs.FS, random *rand.Rand) *disk {
	d := &disk{FS: fs}
	d.mu.random = random
	return d
}

// hold has syncs wait until release is called.
func (d *disk) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.stall == nil {
		d.mu.stall = make(chan struct{})
	}
}

func (d *disk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.stall != nil {
		close(d.mu.stall)
		d.mu.stall = nil
	}
}

// breakDown has every write and sync fail from now on.
func (d *disk) breakDown() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.broken = true
}

// excuses tells whether the node has a reason to end by itself.
func (d *disk) excuses() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.bit
}

// refused tells whether the node has to end: a write or a sync has failed. Who only waited may go on.
func (d *disk) refused() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.denied
}

// sync takes a sync's time, and says whether it can be done. Who has waited for a disk in vain may end.
func (d *disk) sync() error {
	d.mu.Lock()
	stall, takes := d.mu.stall, syncTimeMin+time.Duration(d.mu.random.Int64N(int64(syncTimeMax-syncTimeMin)))
	d.mu.bit = d.mu.bit || stall != nil
	d.mu.Unlock()
	if stall != nil {
		<-stall
	}
	<-time.After(takes)
	return d.write()
}

func (d *disk) write() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.broken {
		d.mu.bit, d.mu.denied = true, true
		return errDisk
	}
	return nil
}

// file puts the disk under one of the log's files.
func (d *disk) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || filepath.Base(filepath.Dir(name)) != "log" {
		return f, err
	}
	return &diskFile{f, d}, nil
}

// Create implements vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	return d.file(name, f, err)
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, category, opts...)
	return d.file(name, f, err)
}

// diskFile is one of the log's files.
type diskFile struct {
	vfs.File
	disk *disk
}

// WriteAt implements vfs.File.
func (f *diskFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.disk.write(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

// SyncData implements vfs.File. The log's batches are what is synced so.
func (f *diskFile) SyncData() error {
	if err := f.disk.sync(); err != nil {
		return err
	}
	return f.File.SyncData()
}

// Sync implements vfs.File. The heads of new files are what is synced so.
func (f *diskFile) Sync() error {
	if err := f.disk.write(); err != nil {
		return err
	}
	return f.File.Sync()
}
