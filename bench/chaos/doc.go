// Package chaos breaks a cluster while clients use it, and decides from what they were
// told whether it has kept its promises. `make chaos` runs it.
//
// # What it owns
//
// Rounds: a fresh cluster, one to four faults while clients use it, their end, a check. The
// nodes are processes (bench/cluster), each on a network of its own (bench/chaos/lan) and
// on a disk of its own (bench/chaos/disk) where the system allows it. It owns neither the
// clients (bench/clients) nor the judgement on what they were told (bench/history), nor
// what a round has in common with a simulated one (bench/trial); and nothing of the
// broker: it sees packages client and proto, as any user's program does.
//
//	rig: three nodes, links, disks ◄── faults: kill, pause, cut, slow, fill, freeze, flip, ...
//	        ▲                              ▲
//	        │ publish, consume, ack        │ begin, end
//	   clients.Run ─────────────────────────┘
//	        └──► clients.Outcome ──► trial.Result ──► Summary, runs.jsonl
//
// # Invariants
//
//	X1  A round proves something only if there was traffic and every fault had an
//	    effect: otherwise it is void, and says why.
//	X2  Nothing is left behind: processes die with this one (bench/cluster, CL2), links and
//	    mounts with the last process (lan, L1; disk, K1), files at the end of Run, unless
//	    a round has found something: then they are kept, and said to be.
//	X3  What faults there are depends on the seed alone; when what happens is up to the
//	    machine.
//	X4  A fault that this machine can't have is named, and never counted.
//
// # Goroutines
//
// A round joins all that it starts: the supervisor, the clients, the faults.
//
// # Where to start reading
//
// run.go, round.go, then fault.go and rig.go; bench/clients/run.go for what goes on meanwhile.
package chaos
