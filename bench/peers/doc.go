// Command peers runs the same work on freshet and on NATS JetStream, in turns, and prints the medians and their ratios. It is a module of its own, so
// that nobody who builds freshet builds the peer; `make bench-peers` builds and runs it.
//
//	for each work, for each round:   freshet ──▶ jetstream ──▶ jetstream, synced ──▶ freshet ──▶ ...
//
//	freshet      freshet bench WORK --json                                (three processes, started and removed by it)
//	jetstream    three processes of nats-server in a directory, and the load in this process (nats.go)
//
// Each run has servers of its own, an empty disk, a warm-up, a measured time, and an end at which every event is accounted for: what was confirmed and
// never arrived is lost, and what arrived again repeated. A run with a fault has no figure.
//
// The peer is given what its documentation says is best, and what costs it least where there is a choice: see configuration.go, which is also
// printed.
//
// Start reading at work.go, then run.go.
package main
