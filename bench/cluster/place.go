package cluster

import "runtime"

// do does something where a node lives. A thread that has been there is good for nothing
// else: it ends with its goroutine, which keeps it locked.
func (p *Place) do(what func() error) error {
	if p.Enter == nil {
		return what()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.Enter()
		if err == nil {
			err = what()
		}
		done <- err
	}()
	return <-done
}
