// Package disk makes file systems of which the power can be cut, which can be full, that
// stall, or on which bits flip, one for each node. `make chaos` keeps the nodes' data
// on them.
//
// # What it owns
//
// A mount namespace (Room) that nobody else sees, and in it a Disk a node: ext4 on a
// loop device on a file of this package's.
//
//	a node ── write, fsync ──► ext4 ──► loop device ──► image, in a directory
//	                            │ Cut: what isn't on the device is gone (FS_IOC_GOINGDOWN)
//	                            │ Freeze: writers wait (FIFREEZE), a watchdog thaws
//	                            │ Fill: no byte is left
//	                            │ Fail: the device says that it can't; Slow: it takes its time
//	                            └ Flip: other bytes than were written
//
// # Invariants
//
//	K1  Nothing is left behind: the mounts go with the namespace, when the last process
//	    in it ends, and the loop devices with the mounts, however this process ends.
//	K2  Nothing stays frozen: a process apart thaws, whatever becomes of this one.
//
// It needs Linux, root, loop devices and mkfs.ext4; NewRoom and NewDisk say what is
// missing otherwise.
//
// # Where to start reading
//
// room_linux.go, disk_linux.go, and rot.go.
package disk
