// Package clients uses a cluster while somebody breaks it, and notes in bench/history what it asked for and what it was told.
// bench/chaos and bench/sim give it a cluster and break it; what clients do is the same in both.
//
// # What it owns
//
// The clients under test: who publishes, consumes, takes single batches, and makes and removes subscriptions and topics; the events, and who
// should get them; and, when all faults are over, the drain, the comparison of replicas, and readings of the log. It knows nothing of how
// a cluster is made, reached or broken: a client comes from Options.Connect. It judges nothing itself: bench/history does.
//
//	                 Options: topic, nodes, rate, seed, leases, Connect
//	                    │
//	publishers (3 ways) ┤──► packages client, proto ──► the cluster ◄── broken by whoever calls Run
//	consumers (2 each)  ┤                                   │
//	wanderer            ┤◄──────────────────────────────────┘
//	comers, namers      ┤
//	                    └──► history.Recorder ──► Check ──► Outcome
//
// # Who there is
//
//   - Publishers: one doesn't wait for answers, one has little patience, one sends batches; in bursts, with keys and without, some
//     events to be delivered later.
//   - Consumers: two clients on each queue, ordered or not, on each member of a fan-out, on a queue with few attempts. They ack, release,
//     reject, take their time, and outlast their leases.
//   - The wanderer: goes from one to the next with one-shot requests; acks in time and too late, extends, gives back, forgets.
//   - Comers: subscriptions that are made, or removed, while things break.
//   - Namers: topics and subscriptions that are made, removed and looked for all the time, by several under the same names.
//
// # Invariants
//
//	C1  The clock is package time's, and nothing else waits: in a bubble of testing/synctest everything here is in virtual time.
//	    Nobody waits under a mutex.
//	C2  What is random is drawn from Options.Seed, each purpose from a source of its own. What becomes of a delivery depends on what
//	    it is, and not on when it comes.
//	C3  What should match an event is said in Go, beside the pattern: nothing of the matcher is asked.
//	C4  When faults are over, everything that was begun ends within Options.Patience: answers to publishes, what came and went,
//	    the drain, replicas. What doesn't is trouble.
//
// # Goroutines
//
// Run joins all that it starts.
//
// # Where to start reading
//
// run.go from top to bottom, then subscription.go and message.go.
package clients
