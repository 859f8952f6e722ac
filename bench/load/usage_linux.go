package load

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// clockTick is the unit of /proc's times: USER_HZ, which is 100 on every architecture
// that Go runs on (time(7)).
const clockTick = 10 * time.Millisecond

// readMachine reads what this process and the machine have used by now. Formats are those of
// proc(5).
func readMachine() (usage, error) {
	u := usage{at: time.Now()}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return usage{}, err
	}
	u.load = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	var err error
	if u.machine, err = readProcessors(); err != nil {
		return usage{}, err
	}
	u.network, err = readNetwork()
	return u, err
}

// readProcess reads what a process has used by now.
func readProcess(process int) (u nodeUsage, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("process %d: %w", process, err)
		}
	}()
	dir := fmt.Sprintf("/proc/%d/", process)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return u, err
	}
	// The second field is a name in brackets, which may hold anything; utime and stime are
	// the 14th and 15th.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return u, fmt.Errorf("%sstat has %d fields behind the name, 13 are expected", dir, len(fields))
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return u, err
		}
		u.processor += time.Duration(ticks) * clockTick
	}
	if err := readFields(dir+"io", map[string]*int64{"write_bytes:": &u.written}); err != nil {
		return u, err
	}
	err = readFields(dir+"status", map[string]*int64{"VmRSS:": &u.resident, "VmHWM:": &u.residentMax})
	u.resident, u.residentMax = u.resident<<10, u.residentMax<<10
	return u, err
}

// readFields reads the numbers behind names in a file of names and numbers. All have to be there.
func readFields(file string, into map[string]*int64) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	found := 0
	for line := range bytes.Lines(text) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		field := into[string(name)+":"]
		if field == nil {
			continue
		}
		if fields := bytes.Fields(rest); len(fields) > 0 {
			if *field, err = strconv.ParseInt(string(fields[0]), 10, 64); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			found++
		}
	}
	if found < len(into) {
		return fmt.Errorf("%s has %d of %d numbers that are expected", file, found, len(into))
	}
	return nil
}

// readProcessors reads the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq, steal, and guests' times, which are in user's already.
func readProcessors() (machineTime, error) {
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

// readNetwork reads what interfaces carried, from /sys/class/net (sysfs-class-net-statistics),
// without the loopback, which isn't bounded by a wire.
func readNetwork() (networkUsage, error) {
	const dir = "/sys/class/net"
	interfaces, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return networkUsage{}, nil // a container may not show it
	}
	if err != nil {
		return networkUsage{}, err
	}
	var u networkUsage
	for _, one := range interfaces {
		if one.Name() == "lo" {
			continue
		}
		number := func(file string) int64 {
			text, err := os.ReadFile(filepath.Join(dir, one.Name(), file))
			if err != nil {
				return 0 // a virtual interface has no speed, one that is down neither
			}
			value, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
			if err != nil {
				return 0
			}
			return max(value, 0)
		}
		u.received += number("statistics/rx_bytes")
		u.sent += number("statistics/tx_bytes")
		const megabit = 1e6 / 8
		u.perSecondMax = max(u.perSecondMax, number("speed")*megabit)
	}
	return u, nil
}
