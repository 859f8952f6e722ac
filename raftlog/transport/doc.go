// Package transport carries the messages of all Raft groups of a node: raft.Transport for each of them, over a few connections
// to each peer that they share. It also fetches entries that a node lacks, and tells when a peer's process is gone. It does
// not know what entries mean, who is in a group or who leads it; it imports nothing of ours.
//
//	node n1                                                          node n2
//	group 1 ─┐                                                     ┌▶ inbox ─▶ group 1 Consumer
//	group 2 ─┼─▶ peer n2 ─▶ lane data     ═══ entries ═══▶ server ─┴▶ inbox ─▶ group 2 Consumer
//	group 3 ─┘          ├─▶ lane control  ═══ heartbeats, votes ═▶ server ─▶ ...
//	                    ├─▶ lane fetch    ═══ what a member in debt lacks ═▶ server ─▶ Options.Fetch
//	                    └─▶ a connection for each snapshot
//
// Each lane is a connection that one side dials: requests go one way, answers the other, and n2 has lanes of its own to n1.
// Requests of one group arrive in the order in which they were sent over one lane, and are answered in that order; between
// groups, and between lanes, there is no order.
//
// # Entries
//
// They are written from where they lie (one system call for many frames), and received into buffers that are used again. Whose
// a buffer is when stands in buffer.go, what is summed by whom in sums.go, and what the group's log has to do for it at GroupTransport.ReuseBuffers. What an
// AppendEntries has beyond 2 MiB is left to the next, or, in a pipeline, sent in several messages: at pipeline it is said
// why.
//
// # Bounds
//
// A group may have 8 MiB of entries on their way to a peer, all together 64 MiB, and a group that has none may always send one
// message. So a group whose follower does not answer waits alone. The peer holds no more than twice that, whoever sends. Every
// frame's size is compared with its kind's limit before there is memory for it. What is beyond any of these waits (here) or
// is refused (there, ErrBusy); nothing is dropped.
//
// # Deadlines
//
// A peer that is there answers within AnswerTimeout, or the call fails. One that isn't is found out by silence: whoever has
// dialled asks for a sign of life when he has heard nothing for a quarter of SilenceTimeout, and gives up after all of it. A
// connection whose process was killed breaks at once, and when the next is refused, a few milliseconds later, PeerRefused is
// called. One goroutine looks at all deadlines, eight times in the shortest of them.
//
// # Invariants
//
//   - T1: a frame that is not what was sent is never handed on; its connection is closed.
//   - T2: an answer reaches the call that it answers or nobody. Request numbers are not used again, also not soon after a
//     restart.
//   - T3: what a pipeline hands to the library are words of the follower's group, in the order of the requests.
//   - T4: nobody holds memory of a buffer that is free.
//   - T5: a group, or a peer, that does not answer holds up no other; one that sends much leaves others their turn (queue.go).
//   - T6: no heartbeat bypasses Consumer (raft issue 695). One may be held until others go too (heartbeats.go), never beyond HeartbeatEvery.
//
// # Goroutines
//
// accept; watch (deadlines, idle peers); heartbeats, which releases those that are held; for each lane in use one that dials
// and reads, and a writer; for each connection that was accepted one that reads and a writer, and for each group with
// something in its inbox one that hands it to the library. Transport.Close joins them all; they carry the labels transport
// (the node's name) and goroutine. InstallSnapshot has one for the answer, and a pipeline one when the library does not take
// answers, which GroupTransport.Close joins.
//
// Lock order: Transport.mu before a group's; caller.exchanges before window.mu. All others are taken alone.
//
// # The twin
//
// NewNetwork makes a network in one process with faults from a seed. Its connections carry the same bytes between the same
// Transports, also inside testing/synctest.
//
// # Where to start
//
// group.go is what the library calls; then peer.go (lanes), caller.go and server.go, which are the two ends of a connection
// (connection.go). format.go, hello.go, message.go, entries.go and answer.go draw the bytes.
package transport
