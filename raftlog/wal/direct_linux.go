package wal

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// Direct returns the operating system's files, of which whole blocks are written, and read, past the page cache. Any other
// file system it returns as it is; so does it with files that the operating system can't open so.
//
// Measured on a virtio disk over ext4, zeroed segments, each write synced, CPU seconds a GB:
//
//	batch    page cache   with FADV_DONTNEED   direct
//	 64 KiB      1.11             1.09           0.94
//	256 KiB      0.50 to 1.25     0.36           0.27
//	  1 MiB      2.2              0.22           0.13
//	  4 MiB      1.5 to 2.0       0.17           0.05
//
// Left alone, the page cache grows into memory that was never touched, which is dear on a virtual machine.
func Direct(fs vfs.FS) vfs.FS {
	if fs != vfs.Default {
		return fs
	}
	return directFS{fs}
}

type directFS struct{ vfs.FS }

func (fs directFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := fs.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return withDirect(file, name)
}

func (fs directFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	file, err := fs.FS.OpenReadWrite(name, category, options...)
	if err != nil {
		return nil, err
	}
	return withDirect(file, name)
}

// withDirect opens a second descriptor.
func withDirect(file vfs.File, name string) (vfs.File, error) {
	direct, err := os.OpenFile(name, os.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EINVAL) { // not here
		return file, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wal: opening %s directly: %w", name, err), file.Close())
	}
	return &directFile{File: file, direct: direct}, nil
}

// directFile moves whole blocks directly. What is synced is the file, through whichever descriptor.
type directFile struct {
	vfs.File
	direct *os.File
	at     int64 // where Write goes on
}

func (f *directFile) Write(data []byte) (int, error) {
	n, err := f.WriteAt(data, f.at)
	f.at += int64(n)
	return n, err
}

func (f *directFile) WriteAt(data []byte, offset int64) (int, error) {
	if wholeBlocks(data, offset) {
		return f.direct.WriteAt(data, offset)
	}
	return f.File.WriteAt(data, offset)
}

func (f *directFile) ReadAt(to []byte, offset int64) (int, error) {
	if wholeBlocks(to, offset) {
		return f.direct.ReadAt(to, offset)
	}
	return f.File.ReadAt(to, offset)
}

// wholeBlocks says whether the kernel can move the data without a copy.
func wholeBlocks(data []byte, offset int64) bool {
	if len(data) == 0 || len(data)%blockBytes != 0 || offset%blockBytes != 0 {
		return false
	}
	address := uintptr(unsafe.Pointer(unsafe.SliceData(data))) //nolint:gosec // its last bits are looked at, nothing else
	return address%blockBytes == 0
}

func (f *directFile) Close() error { return errors.Join(f.direct.Close(), f.File.Close()) }
