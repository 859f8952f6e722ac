package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTruncatedBolt: a file whose end is gone is refused in words wherever it ends, or has all of its entries, where only room that was never used is
// gone. bbolt, asked to open it, ends the process.
func TestTruncatedBolt(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, 1<<20)
	const last = 100
	for index := range uint64(last) {
		mustStore(t, s, entry(index+1, 1, strings.Repeat("x", 2100)))
	}
	if err := errors.Join(s.SetUint64(keyCurrentTerm, 1), s.close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut")
	refused, opened := 0, 0
	for length := 0; length <= len(whole); length += 2048 {
		if err := os.WriteFile(path, whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		contents, err := scanBolt(path)
		switch {
		case err != nil:
			refused++
		case contents.last() != last:
			t.Fatalf("%d bytes of %d were opened, and have %d entries of %d", length, len(whole), contents.last(), last)
		default:
			opened++
		}
	}
	if refused < 100 || opened < 1 {
		t.Errorf("%d lengths were refused, %d opened", refused, opened)
	}
}
