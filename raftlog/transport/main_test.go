package transport

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, after which no goroutine may be left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
