// Package broker is one node of a cluster: a data directory, replicas of the metadata and of every partition, and the services that clients call. It
// checks what strangers send, resolves
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
//	other nodes ══▶ peer port ─┬─▶ lines of the log: Raft's messages of all groups, the metadata's too
//	                           └─▶ the same services again, for what another node has passed on, and PeerService
//
// metadata says what there should be, partitions hold what there is; the controller drives the partitions that this node leads to it. A topic or
// subscription is created once it is in the catalog and every partition of it has it.
//
// Every node has a voter in every group. So each can look at all of it, and what changes anything goes to the group's leader: a node passes on
// what is another's to do, once.
//
// # Invariants
//
//   - M1: the catalog's changes are linearizable: they pass one Raft group.
//   - M2: nothing is deleted because the catalog doesn't mention it; it is logged and kept (controller.go).
//   - N1: what a request is allowed to do is decided once, by one function, on the names that it was resolved to (authorise.go,
//     services.may); every method of every service passes it.
//   - N2: everything that a client can make the node hold has a bound: connections and what each has yet to read, streams, headers, requests
//     (server.go, connection.go), what a request becomes once decoded (codec.go), unanswered blocks (publish_stream.go), answers
//     (admin_dead.go), receipts (settle.go); and all clients together (budget.go). What it can make the node do for nothing has one, too: connections
//     that come (newcomers.go), calls that are given up, settings that change, rules that are broken (connection.go).
//   - N3: an error says whether something may have been done. Unknown is never told as failed (errors.go).
//   - N4: a receipt that the cluster didn't make does nothing, and tells nothing (receipt.go).
//   - N5: a data directory belongs to one node of one cluster, and one that has lost its log or its checkpoints is refused: a voter that has forgotten
//     what it promised is worse than none (directory.go, storage.go).
//   - N6: a leader drives its partition to the catalog only once it has caught up with all that was committed before it led: it would make again what
//     was deleted (controller.go).
//
// # Goroutines
//
// Each node has those of its listeners and of the peer port, one that looks for clients who don't read (budget.go), and what it does by itself:
// metadata (founds the cluster, when this node leads it first; metadata_sync.go), the controller with two for each partition, and the
// announcement of its addresses; grpc-go has its own. A consuming or publishing stream has, beside its call, one that reads (life.go, read);
// the partition's attachment sends deliveries; a publishing stream has one that sends answers. A long poll with a wait has one for its timer.
// Shutdown joins all of them: first others take over what the node leads, then the calls end, then the readers, then controller and groups.
//
// # Lock order
//
// outlet.mu is held while a stream sends, and only connection.mu is taken under it; so it is under budget.mu. controller.mu, metadata.leading,
// peerPort.open, answers.mu and Node.mu are leaves. Nothing of this package is held while a partition or the catalog is asked.
//
// # Where to start
//
// node.go is a node's life, services.go what handlers have; peer_port.go, peers.go and storage.go are how nodes reach each other, metadata.go and
// controller.go what they agree on. Then a request's way: publish.go, publish_stream.go; consume.go with outlet.go, settle_stream.go;
// receive.go, receipt.go, settle.go; read.go; admin_*.go. pass_on.go says which node does what. errors.go translates every trouble into what
// clients see.
package broker
