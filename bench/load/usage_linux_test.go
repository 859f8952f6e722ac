package load

import (
	"os"
	"testing"
	"time"
)

// TestUsage reads this process as if it were a node, and as one that ends and is started again.
func TestUsage(t *testing.T) {
	pid := os.Getpid()
	w := newWatch([]Node{{Name: "n1", PID: func() int { return pid }}})
	before, err := w.read()
	if err != nil {
		t.Fatal(err)
	}
	x := uint64(1)
	for u := before; u.minus(before).load < 30*time.Millisecond; { // as long as it takes
		for range 1_000_000 {
			x = x*6364136223846793005 + 1
		}
		if u, err = w.read(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := w.read()
	if err != nil {
		t.Fatal(err)
	}
	used := after.minus(before)
	if used.load <= 0 || used.nodes[0].processor <= 0 || used.nodes[0].residentMax <= 0 || used.machine.total <= 0 || x == 0 {
		t.Errorf("used %+v", used)
	}
	pid = 0
	gone, err := w.read()
	if err != nil || gone.nodes[0].processor != after.nodes[0].processor || gone.nodes[0].resident != 0 {
		t.Errorf("a node that is gone: %+v, %v", gone.nodes, err)
	}
	pid = os.Getpid()
	again, err := w.read()
	if err != nil || again.nodes[0].processor < 2*after.nodes[0].processor {
		t.Errorf("a node's second process: %+v, %v", again.nodes, err)
	}
	pid = 1 << 30
	if _, err := w.read(); err == nil {
		t.Error("a process that isn't there has used something")
	}
}
