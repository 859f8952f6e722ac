// Package sim runs whole clusters in virtual time while their network, disks and processes fail as a seed says, and decides
// from what clients were told whether the cluster has kept its promises. `make sim` runs it.
//
// # What it owns
//
// Runs: three real nodes (broker.Start, with hashicorp/raft, the log and Pebble in them) inside a bubble of testing/synctest, faults one
// upon the other while clients use them, their end, a check. It owns neither the network (raftlog/transport's Network) nor the disks (Pebble's
// crashable memory), nor the clients (bench/clients), which don't know that time is virtual; and judges nothing itself: bench/history does.
// What a run has in common with a round of bench/chaos is bench/trial's.
//
//	            ┌ faults: kill, power, pause, stall, disk-error, cut, unruly, ... ┐
//	            ▼                          ▼                                      ▼
//	clients.Run ──▶ transport.Network ──▶ three broker.Nodes ──▶ disk ──▶ vfs.MemFS, cloned as a crash would leave it
//	    │           (delay, loss, cuts)    ▲
//	    │                                  └ supervisor: starts what is down
//	    └──▶ clients.Outcome ──▶ trial.Result ──▶ Result ──▶ Summary, runs.jsonl
//
// # What a seed decides, and what it doesn't
//
// A seed decides the faults, whom they hit and when; what the network does to messages; how long syncs take and what a power cut
// leaves; and what clients publish and do with what they get. It does not decide in which order goroutines run that could run at the
// same virtual moment: Go's scheduler does, hashicorp/raft draws its timeouts from a source of its own, and Go's select and maps are random.
// So a seed that failed is another run when it is run again, under the same faults: those that depend on the seed alone fail again,
// races only sometimes. What we would have for the rest is a model of Raft in place of Raft; but then the library's faults, which
// reliability has to be had against, would not be there to be found. What a run did is therefore told where it fails: Result.Failure.
//
// # What is not simulated
//
//   - Power cuts and failures of the metadata's disk: raft-boltdb maps real files. A crash leaves all that it had written.
//   - A disk that is slow, stalls or fails under the checkpoints' store: Pebble holds locks while it syncs, which virtual time
//     takes for work that goes on, and ends the process when a commit fails. Its power cuts are there.
//   - Wall clocks that jump, and clocks of different rates: time.Time can't be given a wall reading that departs from its
//     monotonic one. partition's model turns both.
//   - A paused process's own clock: it goes on, so that its timers fire on time and its messages leave when the pause is over.
//
// bench/chaos has real processes, disks and pauses, in real time.
//
// # Invariants
//
//	S1  Whoever is cut off by a crash is heard no more before it is decided what its disk has: what anybody was told came before.
//	S2  A node ends by itself only where its disk has given it a reason, and then it must.
//	S3  A node starts on whatever a crash has left of what it had.
//	S4  When all faults are over everything is delivered within Options.Patience.
//
// # Goroutines
//
// Run joins all that it starts: supervisors, faults, clients. Nobody waits for virtual time under a mutex, since that stops it: claims of
// nodes are tokens in channels.
//
// # Where to start reading
//
// world.go, node.go, then fault.go; bench/clients/run.go for what goes on meanwhile.
package sim
