package chaos

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// uptimeMax is how long a node's machine seems to have been up, at most.
const uptimeMax = 1000 * 24 * time.Hour

// enterUptime has processes that the calling thread begins be on a machine that seems to have been up for longer by so
// much: their monotonic clock is ahead, in a time namespace (time_namespaces(7)). The wall clock has none.
func enterUptime(by time.Duration) error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fmt.Errorf("a time namespace: %w", os.NewSyscallError("unshare", err))
	}
	seconds := int64(by / time.Second)
	offsets := fmt.Sprintf("monotonic %d 0\nboottime %d 0\n", seconds, seconds)
	return os.WriteFile(fmt.Sprintf("/proc/%d/timens_offsets", unix.Gettid()), []byte(offsets), 0)
}

// onThread does something on a thread that is thrown away.
func onThread(what func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		done <- what()
	}()
	return <-done
}
