// Package client is what services import to publish to freshet and to consume from it.
//
//	            +--- Producer: gathers, numbers, sends again ---- PublishStream ==> \
//	Client -----+--- Queue, Fanout: sessions, leases, handlers -- Consume <=======>  > a partition's leader
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
//   - C1 to C3 (share.go): the sessions of a consumer together hold no more than its window, and no partition waits for ever.
//   - No goroutine outlives Shutdown, but for handlers that ignore the end of their context.
//
// # One window over many partitions
//
// A consumer has a session with each partition that holds a part of the topic, and one window for all: the sum of the credits that it gives them. A session
// that others need the room of is parked, with no credit, and its node tells it when it has events (Hint). Credit that is taken from one session
// is given to another when the node has answered that it is taken (Credited), behind all that it had sent before, and what was held beyond it is settled.
// It goes to who is short: parked, with a hint, or using all of its credit while handlers have nothing to do; as much as is max-min fair. Where there are
// more partitions with events than credits, each has a turn. While nobody is short nothing moves, and with one partition there is nothing to move.
//
// share.go says it all: it is a type without goroutines or clock, whose tests put it against a model of nodes.
//
// # Goroutines
//
// A Producer has one that finds the way, one a partition that sends, and one a stream that receives answers. A running Consume has one that watches
// deadlines, the handlers', and for each partition one that receives, one that sends, and one that looks for a better way to the leader. A Read of
// several partitions has one for each. Client has none of its own besides those of its gRPC connections: two a node that it needs, one for publishing
// and one for all else.
//
// # Where to start
//
// client.go, with nodes.go, routes.go and failover.go (who is asked), then along an event's way: event.go, producer.go, producer_place.go,
// producer_steer.go, producer_batch.go, producer_window.go (the essay), producer_send.go, producer_stream.go; consumer.go (the essay), share.go (the
// window), session.go, way.go, handling.go, waiting.go, lease.go, books.go, settle.go, talk.go, line.go, keeper.go, drain.go. Errors are in errors.go.
package client
