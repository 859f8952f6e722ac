//go:build mutant

package wal

import "github.com/cockroachdb/pebble/v2/vfs"

// A log that promises without waiting for the disk: R1 is broken. Each batch is synced all the same, but behind its back, so nothing but a power cut
// shows it; a test that cuts the power must fail with it: broker's TestPowerCut.
func init() {
	writeSynced = func(file vfs.File, blocks []byte, at int64) error {
		if _, err := file.WriteAt(blocks, at); err != nil {
			return err
		}
		go func() {
			defer func() { _ = recover() }() // the file may be closed by now, which files in memory don't take
			_ = file.SyncData()
		}()
		return nil
	}
}
