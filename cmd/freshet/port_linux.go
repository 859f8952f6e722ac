package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portHolder names the process that listens on a TCP port: `nats-server, pid 71`.
// It is empty when there is none, or none that this user may see. Sources:
// proc_net(5) for the socket's inode, proc_pid_fd(5) for who has it open.
func portHolder(port string) string {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ""
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // no IPv6 here, or no /proc: then nobody knows
		}
		if inode := listeningInode(string(text), number); inode != "" {
			return socketHolder(inode)
		}
	}
	return ""
}

// listeningInode finds the inode of the socket that listens on a port.
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//	 0: 0100007F:1DB0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 ...
func listeningInode(table string, port uint64) string {
	const listening = "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		_, hexPort, _ := strings.Cut(fields[1], ":")
		if parsed, err := strconv.ParseUint(hexPort, 16, 16); err == nil && parsed == port {
			return fields[9]
		}
	}
	return ""
}

// socketHolder looks for the process that has the socket open.
func socketHolder(inode string) string {
	wanted := "socket:[" + inode + "]"
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, descriptor := range descriptors {
		// A descriptor may be closed, and a process gone, since the listing.
		if target, err := os.Readlink(descriptor); err != nil || target != wanted {
			continue
		}
		process := filepath.Dir(filepath.Dir(descriptor))
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%s, pid %s", printable(strings.TrimSpace(string(name))), filepath.Base(process))
	}
	return ""
}
