package raftlog

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs a child of TestKilled in its place, and else the tests, after which no goroutine may be left.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDirVariable); dir != "" {
		proposeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}
