//go:build !linux

package wal

import "github.com/cockroachdb/pebble/v2/vfs"

// Direct returns the file system as it is: there are no direct writes here, or none that this program knows.
func Direct(fs vfs.FS) vfs.FS { return fs }
