package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// needRoom refuses to begin when a file system has less than wanted free, and
// says how much is missing. dir need not exist yet. Where the system doesn't
// tell, it is taken to have enough: the node refuses by itself when it is full.
func needRoom(dir string, wanted size) error {
	existing, err := filepath.Abs(dir)
	if err != nil {
		return fileFailure(strconv.Quote(dir), err)
	}
	for {
		if _, err := os.Stat(existing); err == nil || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	free, known := freeBytes(existing)
	if !known || free >= wanted {
		return nil
	}
	return &failure{
		code: codeDiskFull,
		what: fmt.Sprintf("%s has %s free, and %s are wanted", existing, free.rough(), wanted.rough()),
		seen: []string{fmt.Sprintf("missing: %s", (wanted - free).rough())},
	}
}
