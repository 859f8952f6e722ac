package wal

import "golang.org/x/sys/unix"

// adviseBytes is after how many written bytes the kernel is told that their pages are not needed.
const adviseBytes = 8 << 20

// adviseUnneeded tells the kernel that a range of a file is not going to be read soon. It is advice: nothing is lost when
// the kernel does not take it.
func adviseUnneeded(fd uintptr, offset, length int64) {
	_ = unix.Fadvise(int(fd), offset, length, unix.FADV_DONTNEED) // see above
}
