package disk

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Room is a mount namespace. Safe for concurrent use.
type Room struct{ namespace *os.File }

// NewRoom makes a room. Close leaves it; it is gone when the last process in it is.
func NewRoom() (*Room, error) {
	r := &Room{}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		done <- r.settle()
	}()
	if err := <-done; err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Room) settle() (err error) {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace: %w", os.NewSyscallError("unshare", err))
	}
	// What is mounted here isn't outside.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("a mount namespace: %w", os.NewSyscallError("mount", err))
	}
	r.namespace, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/mnt", unix.Gettid()))
	return err
}

// Enter takes the calling thread into the room. It can't come back: the goroutine keeps it
// locked (runtime.LockOSThread) and ends with it.
func (r *Room) Enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("setns", unix.Setns(int(r.namespace.Fd()), unix.CLONE_NEWNS))
}

// Do does something in the room, on a thread that is thrown away. Only the calling goroutine
// of what is done is there.
func (r *Room) Do(what func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		// A directory as the working one would keep a mount busy.
		err := r.Enter()
		if err == nil {
			err = what()
		}
		done <- err
	}()
	return <-done
}

// Close leaves the room.
func (r *Room) Close() error { return r.namespace.Close() }
