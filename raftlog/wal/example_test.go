package wal_test

import (
	"fmt"
	"log"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/wal"
)

// A node opens one log, and gives each of its Raft groups its part of it. What the library has let go of is still there for
// the owner, until it lets go as well.
func Example() {
	l, err := wal.Open(wal.Options{FS: vfs.NewMem(), Dir: "log", Node: [16]byte{1}, SegmentBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	g, err := l.Group(7)
	if err != nil {
		log.Fatal(err)
	}
	if err := g.StoreLogs([]*raft.Log{{Index: 1, Term: 1, Data: []byte("first")}, {Index: 2, Term: 1, Data: []byte("second")}}); err != nil {
		log.Fatal(err) // Options.Fatal was told as well
	}
	g.Retain(1)                                 // the owner wants all of it
	g.Covered(1)                                // a checkpoint has the first entry
	if err := g.DeleteRange(1, 1); err != nil { // so the library needs it no more
		log.Fatal(err)
	}
	var entry raft.Log
	if err := g.Read(1, &entry); err != nil {
		log.Fatal(err)
	}
	usage := g.Usage()
	fmt.Printf("%s; the library has %d to %d\n", entry.Data, usage.First, usage.Last)
	if err := l.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: first; the library has 2 to 2
}
