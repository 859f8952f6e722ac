// Package catalog owns what a cluster knows about itself: its name and receipt key, its topics and their subscriptions. It
// is the desired state: a controller elsewhere drives the partitions to it. It does not know partitions, patterns (a
// pattern is text here, parsed by whoever proposes it), clients, disks or clocks.
//
//	Encode(Command) ─▶ raftlog's group "meta" ─▶ Machine.Apply ─▶ Result (to the proposer)
//	                                                 │
//	                                   View ────────▶ View        each immutable, swapped in one step
//	                                     ▲              ▲
//	                                  readers        readers: lookups, lists, Since(version), <-Changed()
//
// Everything that isn't in the catalog's own state stands in the command: times, the cluster's id and its receipt key are
// chosen by the proposer, defaults are filled in before they are written. So all replicas answer a command alike, now and
// when the log is replayed by a later release.
//
// # Invariants
//
//   - M1: changes are linearizable: one log orders them, and each is a function of the state before it alone.
//   - M2: nothing goes because it isn't mentioned: there is no command that replaces the catalog, and making something
//     that is there is answered with what is there, or refused.
//   - M3: an id is given once. Topics and subscriptions count in one sequence, whose last number is part of the state.
//   - M4: a view never changes. What a reader holds is the catalog after exactly the entries up to its version.
//   - M5: equal entries give equal checkpoints, byte for byte, within a release.
//   - M6: a request that comes again changes nothing, and is answered as it was the first time, while it is remembered.
//
// # Bounds
//
// limits.go: 10,000 topics, 10,000 subscriptions a topic, and 64 MiB in all, since every node holds it in memory and
// writes all of it at each checkpoint. Beyond them a command is refused and says so. Requests are remembered in another 16 MiB, for two minutes at least.
//
// # Goroutines
//
// None of its own. Apply, Snapshot and Restore are called by one goroutine, raftlog's; everything else by any.
//
// # Where to start
//
// command.go is what can be asked, apply.go what it does, view.go what can be read; request.go and memory.go are how a thing is done once. codec.go and snapshot.go are the bytes,
// catalogpb/catalog.proto their form. testdata/ tells stories.
package catalog
