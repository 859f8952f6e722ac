// Package processes runs raftlog as it runs in a cluster: three processes on loopback, each with a disk of its own to sync. It has tests and
// benchmarks alone; nobody imports it.
//
//	     the test                      three children, the same binary
//	┌───────────────┐  stdin: JSON   ┌──────┐   ┌──────┐   ┌──────┐
//	│ arrangement   ├───────────────▶│ node ├───┤ node ├───┤ node │  loopback
//	│ (node_test.go)│◀───────────────┤      │   │      │   │      │
//	└───────────────┘ stdout: JSON   └──────┘   └──────┘   └──────┘
//
// A child listens on a port that it is given by the kernel, says so, is told where the others are, and then does what it is told until its
// standard input ends. The load comes from inside the leaders, as a partition's does, so that what is measured is the log alone.
//
// The yardstick (yardstick_test.go) is what one would build without raftlog: the library with a raft-boltdb and a NetworkTransport for each
// group. It is measured in the same run, in turns.
//
// `make bench-log` runs all of it. Start reading at bench_test.go.
package processes
