package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTick is the unit of /proc's times: USER_HZ, which is 100 on every architecture
// that Go runs on (time(7)).
const clockTick = 10 * time.Millisecond

// readUsage reads what processes have used by now. Formats are those of proc(5).
func readUsage(processes []int) (usage, error) {
	u := usage{at: time.Now()}
	for _, process := range processes {
		if err := u.add(process); err != nil {
			return usage{}, fmt.Errorf("process %d: %w", process, err)
		}
	}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return usage{}, err
	}
	u.load = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	var err error
	u.machine, err = readMachine()
	return u, err
}

// add adds what one node has used.
func (u *usage) add(process int) error {
	dir := fmt.Sprintf("/proc/%d/", process)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return err
	}
	// The second field is a name in brackets, which may hold anything; utime and stime are
	// the 14th and 15th.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return fmt.Errorf("%sstat has %d fields behind the name, 13 are expected", dir, len(fields))
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return err
		}
		u.nodes += time.Duration(ticks) * clockTick
	}
	written, err := readField(dir+"io", "write_bytes:")
	if err != nil {
		return err
	}
	u.written += written
	resident, err := readField(dir+"status", "VmHWM:")
	u.resident += resident << 10
	return err
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

// readMachine reads the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq, steal, and guests' times, which are in user's already.
func readMachine() (machineTime, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTime{}, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	const steal = 8
	if len(fields) < steal+1 {
		return machineTime{}, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var m machineTime
	for i, field := range fields[1 : steal+1] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return machineTime{}, err
		}
		spent := time.Duration(ticks) * clockTick
		m.total += spent
		switch i {
		case 3:
			m.idle = spent
		case 4:
			m.waiting = spent
		}
	}
	return m, nil
}
