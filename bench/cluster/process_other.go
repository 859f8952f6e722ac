//go:build !unix

package cluster

import (
	"errors"
	"os/exec"
)

// dieWithParent leaves it to the end of standard input to tell the process that
// this one has ended.
func dieWithParent(*exec.Cmd) {}

func (*process) pause() error { return errors.ErrUnsupported }

func (*process) resume() error { return errors.ErrUnsupported }
