// Package overload does to a cluster of real processes what bad clients do, while
// a good one goes on with its work, and says what became of both.
//
// It owns the abuses (abuse_*.go), the good client (good.go), and the table. The
// nodes' processes are bench/cluster's.
//
//	          ┌─ good.go: publishes at a rate, consumes, acks ──────┐
//	Run ──────┤                                                     ├─▶ three nodes
//	          └─ abuser.go: a process for each of abuse_*.go, ──────┘        │
//	             one after the other, for a while                            │
//	                                                                          │
//	Report ◀── latencies before and during, lost events, answers ◀── memory of processes, /metrics
//
// # Invariants
//
//	OV1  Every event that the good client was told is stored arrives at it, under
//	     each abuse and after all of them.
//	OV2  A node's memory stays below what it had when idle, twice limits.memory
//	     and what it holds by itself (ownBytes; Go's collector lets garbage grow
//	     to what lives), and what connections cost that are open
//	     (connectionBytes each).
//	OV3  No node ends, panics, or answers FR9001.
//
// How much slower the good client gets is told, and not judged: nodes share this machine's processors and its disk, which they don't elsewhere. Bad clients
// have a process of their own, at the lowest priority, on half of the processors (abuser.go). Three rows aren't abuses: in "nothing" the good client is alone, in "busy" the processors are
// taken by loops that don't touch the nodes, in "disk" their disk by somebody else; what others show beyond these is the nodes' doing.
//
// # Goroutines
//
// Run joins all that it starts: the good client's, one that reads how much memory
// the processes have, and each abuse's own.
//
// # Where to start reading
//
// run.go, then abuse.go with its list. idle.go measures what a cluster costs that
// does nothing but wait.
package overload
