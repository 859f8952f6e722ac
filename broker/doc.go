// Package broker is one node: a data directory, two Raft groups, and the services that clients call. It checks what strangers send, resolves
// names, asks the partition, and tells what became of it in the words of proto/freshet/v1.
//
// It does not know what an entry means (partition), how it is stored (raftlog), what a pattern says (matcher) or how a block looks
// (proto/block). It stores nothing itself but who its data directory belongs to.
//
//	clients ──gRPC──▶ guard ──▶ services ───────────────────────────┐ Publish, Attach, Take, Return, Next
//	                  panics    resolve, authorise, check, ask      ▼
//	                  errors      │                  │          partitions ── log/, state/
//	                              │ names            │ create       ▲
//	                              ▼                  ▼              │ PutStream, PutSubscription
//	                           metadata (catalog, meta/) ──────▶ controller
//
// metadata says what there should be, partitions hold what there is; the controller drives the second to the first. A topic or subscription
// is created once it is in the catalog and every partition of it has it.
//
// # Invariants
//
//   - M1: the catalog's changes are linearizable: they pass one Raft group.
//   - M2: nothing is deleted because the catalog doesn't mention it; it is logged and kept (controller.go).
//   - N1: what a request is allowed to do is decided once, by one function, on the names that it was resolved to (authorise.go,
//     services.may); every method of every service passes it.
//   - N2: everything that a client can make the node hold has a bound: connections and what each has yet to read, streams, headers, requests
//     (server.go, connection.go), what a request becomes once decoded (codec.go), unanswered blocks (publish_stream.go), answers
//     (admin_dead.go), receipts (settle.go); and all clients together (budget.go).
//   - N3: an error says whether something may have been done. Unknown is never told as failed (errors.go).
//   - N4: a receipt that the cluster didn't make does nothing, and tells nothing (receipt.go).
//
// # Goroutines
//
// Each node has the controller, the listeners' and one that looks for clients who don't read (budget.go); grpc-go has its own. A consuming or publishing stream has, beside its call, one
// that reads (life.go, read); the partition's attachment sends deliveries; a publishing stream has one that sends answers. A long poll with a
// wait has one for its timer. Shutdown joins all of them: first the calls, then the readers, then controller and groups.
//
// # Lock order
//
// outlet.mu is held while a stream sends, and only connection.mu is taken under it; so it is under budget.mu. controller.mu, answers.mu and Node.mu are leaves. Nothing of this
// package is held while a partition or the catalog is asked.
//
// # Where to start
//
// node.go is a node's life, services.go what handlers have. Then a request's way: publish.go, publish_stream.go; consume.go with outlet.go,
// settle_stream.go; receive.go, receipt.go, settle.go; read.go; admin_*.go. pass_on.go says which node does what. errors.go translates every trouble into what clients see.
package broker
