package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is a file system of its own. Its methods are for one caller at a time; all but
// Freeze return at once or when the disk answers.
type Disk struct {
	room   *Room
	path   string // where it is mounted, in the room
	device *os.File
	name   string // of the device
}

// NewDisk makes a disk of so many bytes, mounted at a directory of the room, with its
// image beside it.
func (r *Room) NewDisk(ctx context.Context, path string, bytes int64) (_ *Disk, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	image, err := os.OpenFile(path+".image", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	if err := image.Truncate(bytes); err != nil {
		return nil, err
	}
	// Everything made at once: nothing goes on behind the measurements.
	mkfs := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image.Name()) //nolint:gosec // our own image
	if said, err := mkfs.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a file system: %w: %s", err, said)
	}
	d := &Disk{room: r, path: path}
	if err := d.attach(image); err != nil {
		return nil, err
	}
	if err := d.Mount(); err != nil {
		return nil, errors.Join(err, d.device.Close())
	}
	return d, nil
}

// attachTries is how often another process may be quicker.
const attachTries = 20

// attach gives the image a loop device, which goes when nobody has it open any more (K1).
func (d *Disk) attach(image *os.File) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close() //nolint:errcheck // nothing was written
	for range attachTries {
		free, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("a loop device: %w", os.NewSyscallError("ioctl", err))
		}
		d.name = "/dev/loop" + strconv.Itoa(free)
		if _, err := os.Stat(d.name); errors.Is(err, os.ErrNotExist) {
			if err := unix.Mknod(d.name, unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(free)))); err != nil {
				return fmt.Errorf("a loop device: %w", os.NewSyscallError("mknod", err))
			}
		}
		if d.device, err = os.OpenFile(d.name, os.O_RDWR, 0); err != nil {
			return err
		}
		err = unix.IoctlSetInt(int(d.device.Fd()), unix.LOOP_SET_FD, int(image.Fd()))
		if errors.Is(err, unix.EBUSY) {
			if err := d.device.Close(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return errors.Join(fmt.Errorf("a loop device: %w", os.NewSyscallError("ioctl", err)), d.device.Close())
		}
		return os.NewSyscallError("ioctl", unix.IoctlLoopSetStatus64(int(d.device.Fd()), &unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}))
	}
	return errors.New("a loop device: others are always quicker")
}

// Path is where the disk is, in the room.
func (d *Disk) Path() string { return d.path }

// Do does something on the disk's side of the room.
func (d *Disk) Do(what func() error) error { return d.room.Do(what) }

// Mount mounts the disk, and recovers what a cut has left.
func (d *Disk) Mount() error {
	return d.room.Do(func() error {
		if err := unix.Mount(d.name, d.path, "ext4", 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", d.path, err)
		}
		return nil
	})
}

// goingDown is FS_IOC_GOINGDOWN of the kernel's fs/ext4 and fs/xfs, without a flush of the
// journal.
const (
	goingDown           = 0x8004587d
	goingDownNoLogFlush = 2
)

// Cut cuts the power: what was not synced is gone, and every write fails from now on.
func (d *Disk) Cut() error {
	return d.room.Do(func() error {
		root, err := os.Open(d.path)
		if err != nil {
			return err
		}
		err = unix.IoctlSetPointerInt(int(root.Fd()), goingDown, goingDownNoLogFlush)
		return errors.Join(os.NewSyscallError("ioctl", err), root.Close())
	})
}

// Repower mounts a disk again whose power was cut. No process may use it.
func (d *Disk) Repower() error {
	if err := d.unmount(); err != nil {
		return err
	}
	return d.Mount()
}

func (d *Disk) unmount() error {
	return d.room.Do(func() error {
		if err := unix.Unmount(d.path, 0); err != nil {
			return fmt.Errorf("unmounting %s: %w", d.path, err)
		}
		return nil
	})
}

// ballast is the file that fills a disk.
const ballast = "ballast"

// Fill takes every byte that is left.
func (d *Disk) Fill() error {
	return d.room.Do(func() error {
		f, err := os.OpenFile(filepath.Join(d.path, ballast), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		size := int64(0)
		for step := int64(64 << 20); step >= 4096; {
			switch err := unix.Fallocate(int(f.Fd()), 0, size, step); {
			case err == nil:
				size += step
			case errors.Is(err, unix.ENOSPC):
				step /= 2
			default:
				return errors.Join(os.NewSyscallError("fallocate", err), f.Close())
			}
		}
		return f.Close()
	})
}

// Free gives back what Fill has taken, for good: a disk without power, which can't, is an error.
func (d *Disk) Free() error {
	return d.room.Do(func() error {
		root, err := os.Open(d.path)
		if err != nil {
			return err
		}
		var on, below unix.Stat_t
		err = errors.Join(unix.Fstat(int(root.Fd()), &on), unix.Stat(filepath.Dir(d.path), &below))
		switch {
		case err != nil:
			err = os.NewSyscallError("stat", err)
		case on.Dev == below.Dev:
			err = fmt.Errorf("%s isn't mounted", d.path)
		default:
			if err = os.Remove(filepath.Join(d.path, ballast)); err == nil || errors.Is(err, os.ErrNotExist) {
				err = os.NewSyscallError("fsync", unix.Fsync(int(root.Fd())))
			}
		}
		return errors.Join(err, root.Close())
	})
}

// Freeze has whoever writes wait for a time, and returns when that is over. A process apart
// thaws the disk (K2): this one may be killed meanwhile.
func (d *Disk) Freeze(ctx context.Context, lasting time.Duration) error {
	seconds := strconv.FormatFloat(lasting.Seconds(), 'f', 2, 64)
	watchdog := exec.Command("sh", "-c", `sleep "$1"; fsfreeze -u "$2"`, "thaw", seconds, d.path) //nolint:gosec,noctx // it has to outlive ctx
	watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := d.room.Do(func() error {
		if err := watchdog.Start(); err != nil {
			return fmt.Errorf("a watchdog: %w", err)
		}
		root, err := os.Open(d.path)
		if err != nil {
			return err
		}
		err = unix.IoctlSetInt(int(root.Fd()), fiFreeze, 0)
		return errors.Join(os.NewSyscallError("ioctl", err), root.Close())
	})
	if watchdog.Process == nil {
		return err
	}
	// It is short, and never given up.
	if waitErr := watchdog.Wait(); waitErr != nil && err == nil {
		err = fmt.Errorf("thawing %s: %w", d.path, waitErr)
	}
	return err
}

// Fail has every read and write fail that the device is asked for behind so many bytes; 0 has none fail. What has been read before may still
// be had. Whoever is told of an error may have given up the file system: Repower brings it back.
func (d *Disk) Fail(behind uint64) error {
	info, err := unix.IoctlLoopGetStatus64(int(d.device.Fd()))
	if err != nil {
		return os.NewSyscallError("ioctl", err)
	}
	info.Sizelimit = behind
	return os.NewSyscallError("ioctl", unix.IoctlLoopSetStatus64(int(d.device.Fd()), info))
}

// throttles are the root group's limits of writes a second: the journal's are nobody else's.
const throttles = "/sys/fs/cgroup/blkio/blkio.throttle.write_iops_device"

// CanSlow says why Slow can't be done here, if so.
func CanSlow() error {
	f, err := os.OpenFile(throttles, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// Slow has the device write no more than so many times a second for a time, and returns when that is over, with how often it wrote. A process
// apart ends that (K2). A write and its sync take two to five of those.
func (d *Disk) Slow(rate int, lasting time.Duration) (writes uint64, err error) {
	info, err := d.device.Stat()
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	number := fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
	before, err := d.writes()
	if err != nil {
		return 0, err
	}
	watchdog := exec.Command("sh", "-c", `echo "$1 $2" > "$4"; sleep "$3"; echo "$1 0" > "$4"`, "slow", //nolint:gosec,noctx // it has to outlive ctx
		number, strconv.Itoa(rate), strconv.FormatFloat(lasting.Seconds(), 'f', 2, 64), throttles)
	watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if said, err := watchdog.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("slowing %s down: %w: %s", d.name, err, said)
	}
	after, err := d.writes()
	return after - before, err
}

// writes is how often the device has written (Documentation/block/stat.rst: the fifth figure).
func (d *Disk) writes() (uint64, error) {
	text, err := os.ReadFile("/sys/block/" + filepath.Base(d.name) + "/stat")
	if err != nil {
		return 0, err
	}
	figures := strings.Fields(string(text))
	if len(figures) < 5 {
		return 0, fmt.Errorf("%s has %d figures", d.name, len(figures))
	}
	return strconv.ParseUint(figures[4], 10, 64)
}

// fiFreeze is FIFREEZE of linux/fs.h.
const fiFreeze = 0xc0045877

// Wipe empties the disk, and it stays so when the power is cut.
func (d *Disk) Wipe() error {
	return d.room.Do(func() error {
		root, err := os.Open(d.path)
		if err != nil {
			return err
		}
		names, err := root.Readdirnames(-1)
		for _, name := range names {
			err = errors.Join(err, os.RemoveAll(filepath.Join(d.path, name)))
		}
		if err == nil {
			err = os.NewSyscallError("syncfs", unix.Syncfs(int(root.Fd())))
		}
		return errors.Join(err, root.Close())
	})
}

// Close unmounts the disk. No process may use it. Its image stays.
func (d *Disk) Close() error {
	return errors.Join(d.unmount(), d.device.Close())
}
