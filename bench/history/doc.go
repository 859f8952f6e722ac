// Package history records what clients did to a cluster and what they were told, and
// decides afterwards whether the cluster kept its promises. `make chaos` and `make sim` stand
// on it, by way of bench/clients, and so does `freshet demo`; any run of which the outcome has to be more than "no error" can.
//
// # What it owns
//
// The record (History), the one that writes it (Recorder), and the checkers. It owns
// nothing of the broker, and imports nothing of ours: a checker that shares code with
// what it checks shares its mistakes. Who should have got an event is told by the
// caller (Publish.Matches), who has to know it from elsewhere than the broker.
//
//	clients ── Invoke, Answer ────────────► Recorder ──► History ──► Check ──► Verdict
//	        ── Deliver, Decide, Decided ──►    ▲                        │
//	faults  ── Fault ─────────────────────────┤               lost, phantom, after ack,
//	nodes   ── Applied, Read, Dead, Held ─────┘               early lease, ... and examples
//
// # Invariants
//
//	H1  Every operation is written down before it is sent, and its answer after it
//	    has come: what happened lies between.
//	H2  An operation that was not answered, or not clearly, is Unknown: it may have
//	    been done, and may yet be done later. Only a refusal that proves that nothing
//	    was done is a Fail.
//	H3  All times are one process's monotonic clock.
//	H4  The record is bounded. A recorder that is full says so, and the history that
//	    lacks something is never found in order (Verdict.Incomplete).
//	H5  A checker says only what the history proves: a run without a finding proves
//	    nothing beyond the operations that it holds.
//
// What is checked, and what is not, stands at Check; each checker has the file of its
// name. All but one sort and then walk once, so a history of a million operations is
// checked in seconds. The lives of single events and the names of things are
// put before porcupine (https://github.com/anishathalye/porcupine), which searches for an
// order in which one after the other could have given the same answers.
//
// # Goroutines
//
// None. A Recorder is told by many at once.
//
// # Where to start reading
//
// operation.go, then recorder.go, check.go, and pair.go, on which most checkers stand.
package history
