// Package client is what services import to publish to freshet and to consume from it.
//
//	            +--- Producer: gathers, numbers, sends again ---- PublishStream ==> \
//	Client -----+--- Queue, Fanout: session, leases, handlers --- Consume <=======>  > a partition's leader
//	            |                    routes: who that is -------- Route ==> any node
//	            +--- Queue, Fanout: Receive, one-shot leases ---- unary ==========> \
//	            +--- Read: the log, without side effects -------- Read ===========>  > any node
//	            +--- Admin: topics, subscriptions, dead letters - unary ==========> /
//
// It owns what makes a service's life easy and its events safe: batching, numbering so that what is sent again is stored once,
// sessions that survive broken connections, leases that are extended while a handler works, acks that are confirmed. It knows nothing
// of the server but its protocol (proto/freshet/v1) and the block format (proto/block).
//
// # Rules
//
//   - Every call takes a context and honours it. What it means when it ends is said at each method.
//   - Whatever waits has a bound: a producer's buffer (WithBuffer), a consumer's window (WithWindow). Beyond it the caller or the node waits.
//   - ErrUnknownOutcome means exactly that. It is told only after the client has tried again under the same sequence for as long as it was
//     allowed to.
//   - W1 to W3 (producer_window.go): exactly once, in order, or an honest error.
//   - S1 to S4 (consumer.go): leases are never believed in for longer than the node does.
//   - No goroutine outlives Shutdown, but for handlers that ignore the end of their context.
//
// # Goroutines
//
// A Producer has one that finds the way, one a partition that sends, and one a stream that receives answers. A running Consume has one that receives, one that sends, one
// that watches deadlines, and the handlers'. Client has none of its own besides those of its gRPC connections: two a node that it needs, one for publishing
// and one for all else.
//
// # Where to start
//
// client.go, with nodes.go, routes.go and failover.go (who is asked), then along an event's way: event.go, producer.go, producer_place.go, producer_steer.go,
// producer_batch.go, producer_window.go (the essay), producer_send.go, producer_stream.go; consumer.go (the essay), session.go, handling.go, lease.go, keeper.go, settle.go, talk.go. Errors are in errors.go.
package client
