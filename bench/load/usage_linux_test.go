package load

import (
	"os"
	"testing"
	"time"
)

// TestUsage reads this process as if it were a node.
func TestUsage(t *testing.T) {
	before, err := readUsage([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	x := uint64(1)
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		x = x*6364136223846793005 + 1
	}
	after, err := readUsage([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	used := after.minus(before)
	if used.load <= 0 || used.nodes < 0 || used.resident <= 0 || used.machine.total <= 0 || x == 0 {
		t.Errorf("used %+v", used)
	}
	if _, err := readUsage([]int{-1}); err == nil {
		t.Error("a process that isn't there has used something")
	}
}
