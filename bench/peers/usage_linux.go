package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// usage is what was used up to a moment. The sources are those of freshet's own bench (proc(5)), so that the figures can be compared.
type usage struct {
	servers, load time.Duration // processor time
	written       int64         // bytes that the servers caused to be written to disks
	resident      int64         // the most memory that each server had, added up
}

// clockTick is the unit of /proc's times: USER_HZ, which is 100 wherever Go runs.
const clockTick = 10 * time.Millisecond

// readUsage reads what processes, and this one, have used by now. Those that are gone are left out.
func readUsage(processes []int) (usage, error) {
	var u usage
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return u, err
	}
	u.load = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	for _, pid := range processes {
		dir := fmt.Sprintf("/proc/%d/", pid)
		stat, err := os.ReadFile(dir + "stat")
		if err != nil {
			return u, err
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, field := range fields[11:13] { // utime and stime
			ticks, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				return u, err
			}
			u.servers += time.Duration(ticks) * clockTick
		}
		written, err := readField(dir+"io", "write_bytes:")
		if err != nil {
			return u, err
		}
		most, err := readField(dir+"status", "VmHWM:")
		if err != nil {
			return u, err
		}
		u.written += written
		u.resident += most << 10
	}
	return u, nil
}

// readField reads the number behind a name in a file of names and numbers.
func readField(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == name {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}
