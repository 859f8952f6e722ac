//go:build !linux

package wal

const adviseBytes = 1 << 62

// adviseUnneeded does nothing: there is no such advice here, or none that this program knows.
func adviseUnneeded(uintptr, int64, int64) {}
