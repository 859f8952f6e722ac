//go:build !linux

package disk

import (
	"context"
	"errors"
	"time"
)

// Room is a mount namespace, which this system doesn't have.
type Room struct{}

// NewRoom makes a room.
func NewRoom() (*Room, error) { return nil, errors.New("mount namespaces are Linux's") }

// Enter takes the calling thread into the room.
func (*Room) Enter() error { return errors.ErrUnsupported }

// Do does something in the room.
func (*Room) Do(func() error) error { return errors.ErrUnsupported }

// Close leaves the room.
func (*Room) Close() error { return nil }

// NewDisk makes a disk.
func (*Room) NewDisk(context.Context, string, int64) (*Disk, error) {
	return nil, errors.ErrUnsupported
}

// Disk is a file system of its own.
type Disk struct{}

// Path is where the disk is.
func (*Disk) Path() string { return "" }

// Do does something in the disk's room.
func (*Disk) Do(func() error) error { return errors.ErrUnsupported }

// Mount, and what follows, need a disk.
func (*Disk) Mount() error { return errors.ErrUnsupported }

// Cut cuts the power.
func (*Disk) Cut() error { return errors.ErrUnsupported }

// Repower mounts a disk again.
func (*Disk) Repower() error { return errors.ErrUnsupported }

// Fill takes every byte that is left.
func (*Disk) Fill() error { return errors.ErrUnsupported }

// Free gives back what Fill has taken.
func (*Disk) Free() error { return errors.ErrUnsupported }

func (*Disk) unmount() error { return errors.ErrUnsupported }

// Freeze has whoever writes wait.
func (*Disk) Freeze(context.Context, time.Duration) error { return errors.ErrUnsupported }

// Fail has reads and writes fail.
func (*Disk) Fail(uint64) error { return errors.ErrUnsupported }

// CanSlow says why Slow can't be done here.
func CanSlow() error { return errors.ErrUnsupported }

// Slow has the device write slowly.
func (*Disk) Slow(int, time.Duration) (uint64, error) { return 0, errors.ErrUnsupported }

// Wipe empties the disk.
func (*Disk) Wipe() error { return errors.ErrUnsupported }

// Close unmounts the disk.
func (*Disk) Close() error { return errors.ErrUnsupported }
