//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package broker

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock that ends with its process, two of them could write into one log.
func lockFile(*os.File) (bool, error) {
	return false, errors.New("file locks aren't supported on this system")
}
