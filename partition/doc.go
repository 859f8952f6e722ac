// Package partition is what one ordered stream of entries means: which events there are, which subscriptions want them, and who
// holds which event until when.
//
// It has two halves. The machine is a pure function: entries in, effects out. It knows no clock, randomness, goroutine, map order,
// disk or socket, so that every replica that applies the same entries is in the same state, a test can drive it by hand, and a
// failure replays. The other half stands around it on the leader: it gathers what waits into entries, matches events against
// patterns, and carries out the effects.
//
//	publish, ack, attach ...            a consumer's stream
//	        |                                   ^
//	        v                                   | blocks of leased events
//	+---------------+  entry   +---------+   +-------------+
//	|   Proposer    |--------->| raftlog |   |  Deliverer  |  reads payload from the log,
//	| (matcher.Set) |          +---------+   +-------------+  packs only what is leased
//	+---------------+               | committed     ^
//	        ^                       v               |
//	        |   results       +-----------+  grants |
//	        +-----------------|  Machine  |---------+
//	                          +-----------+
//
// An entry is a list of typed, versioned sections (section.go). Whatever waited while the entry before was on its way shares one: blocks
// of events with their match index, acks, sessions, and a reading of the clock. The log is the message store: the
// machine keeps where a block is, never its bytes.
//
// # The machine's order
//
// One entry is applied in this order: the clock moves; the sections take effect one by one; leases that are due end; now and then
// it is looked at what is still kept; events that are ready are assigned to sessions with room. Assignment needs no entry of its own, so a delivery
// costs no second round trip, and leases, attempts and deadlines survive the leader.
//
// # Nouns
//
// A stream is what this partition holds of a topic. A subscription is on a stream; its events wait on a cursor: a queue has one, a
// fan-out one for each member. A session is an attached consumer with a credit. A lease is a run of events held until a
// deadline; its epoch is the index of the entry that granted it.
//
// # Invariants
//
//   - P1: offsets of a stream are dense and never reused.
//   - P2: a stored event is delivered to every subscription that matched it, becomes its dead letter, or is dropped by a rule that was
//     asked for and says what it drops: a retention, a member's expiry, a removal. One that repeats another by its dedup id is
//     delivered as that one is.
//   - P3: nothing is delivered that doesn't match.
//   - P4: while a lease runs nobody else gets the event, whatever leads.
//   - P5: an ack is final.
//   - P6: a stale receipt changes nothing and is answered as lost.
//   - P7: attempts only grow, and an event dies exactly at the limit. A lease that ends before its events arrived is no attempt; a redriven
//     dead letter begins anew.
//   - P8: in an ordered queue the due events of a key are given in the order of their offsets, and while one is held nobody but its holder gets
//     another. An event that was redriven, or is to be delivered later, joins its key when it is ready again, or due.
//   - P9: the same entries give the same state and effects on every replica.
//   - P10: every unsettled event is ready again once its lease's deadline, rounded up to 100 ms, is passed by a clock reading.
//
// Start reading at machine.go, then assign.go and settle.go; frontier.go says how cursors get at events, refs.go how blocks are found, retention.go
// what is kept, order.go how keys stay in order, due.go how events wait for their deliver-at. The leader's half starts at partition.go; filler.go is how it reads the log for subscriptions that are behind.
package partition
