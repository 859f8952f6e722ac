//go:build linux || darwin

package main

import "syscall"

// freeBytes is what an ordinary user may still write to dir's file system.
func freeBytes(dir string) (size, bool) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, false
	}
	return size(stat.Bavail) * size(stat.Bsize), true
}
