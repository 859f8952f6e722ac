//go:build !linux

package chaos

import (
	"errors"
	"time"
)

const uptimeMax = time.Hour

// enterUptime needs time namespaces, which this system doesn't have.
func enterUptime(time.Duration) error { return errors.New("time namespaces are Linux's") }

func onThread(what func() error) error { return what() }
