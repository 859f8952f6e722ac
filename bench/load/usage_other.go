//go:build !linux

package load

// readMachine has no way to tell here.
func readMachine() (usage, error) { return usage{}, errUsageUnknown }

// readProcess neither.
func readProcess(int) (nodeUsage, error) { return nodeUsage{}, errUsageUnknown }
