package partition

import (
	"log/slog"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/raftlog"
)

// testNodes are the logs that tests have open, by directory, so that one that opens a directory again closes it before.
var testNodes sync.Map

// testNode opens a node's log in a directory, with nobody else in its groups. Its files are small: an entry may have 2 MiB. It is closed with the test,
// after the partitions on it.
func testNode(tb testing.TB, dir string, adjust func(*raftlog.NodeOptions)) *raftlog.Node {
	tb.Helper()
	closeTestNode(tb, dir)
	o := raftlog.NodeOptions{
		Dir: dir, Name: "n1", Connect: raftlog.Alone, SegmentBytes: 8 << 20, BytesMax: 1 << 30,
		Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { tb.Errorf("the log: %v", err) },
	}
	if adjust != nil {
		adjust(&o)
	}
	n, err := raftlog.OpenNode(o)
	if err != nil {
		tb.Fatal(err)
	}
	testNodes.Store(dir, n)
	tb.Cleanup(func() { closeTestNode(tb, dir) })
	return n
}

func closeTestNode(tb testing.TB, dir string) {
	tb.Helper()
	n, open := testNodes.LoadAndDelete(dir)
	if !open {
		return
	}
	if err := n.(*raftlog.Node).Close(); err != nil {
		tb.Errorf("closing the log: %v", err)
	}
}

// smallLog makes a log full soon: sixteen files of 1 MiB, with entries of at most 256 KiB.
func smallLog(o *raftlog.NodeOptions) { o.SegmentBytes, o.BytesMax = 1<<20, 16<<20 }

// openLeading opens a replica that is its group's only one, and waits until it leads.
func openLeading(tb testing.TB, o Options) (*Partition, error) {
	tb.Helper()
	p, err := Open(o)
	if err != nil {
		return nil, err
	}
	err = p.Ready(tb.Context())
	return p, err
}
