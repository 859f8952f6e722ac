package wal

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, after which no goroutine may be left. What crash tests leave behind is large and short-lived, so
// the collector is told to wait.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	goleak.VerifyTestMain(m)
}
