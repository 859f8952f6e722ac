package main

import (
	"fmt"
	"strings"
)

// The peer's settings. Each is what its documentation gives for throughput, or what costs it least.
const (
	peerServers = 3
	// loadConnections is how many connections publishers have, and as many consumers; a work with more streams has one for each.
	loadConnections = 4
	// asyncPending is how many events a publisher has under way without batches (WithPublishAsyncMaxPending; the client's default is 4,000).
	asyncPending = 4_000
	// batchFlow is after how many events of a batch the server is to answer, and batchAcks how many answers a publisher may be behind.
	batchFlow, batchAcks = 500, 4
	// pullMessages is how many events a consumer asks for ahead (PullMaxMessages; 500 by default); it asks anew when half of them are there.
	pullMessages = 4_000
	// ackPending is how many events of a subscription may be unacked (MaxAckPending; 1,000 by default).
	ackPending = 65_536
	// ahead is how many deliveries of what was stored may be outstanding until publishers at full speed wait: on both sides, so that what is
	// measured is what could go on, and not how publishers take the processors from consumers. It is freshet bench's default.
	ahead = 131_072
)

// configurationOf is a server's file.
func configurationOf(name string, client, route int, routes []int, dir string, synced bool) string {
	var peers []string
	for _, port := range routes {
		peers = append(peers, fmt.Sprintf("\"nats-route://127.0.0.1:%d\"", port))
	}
	sync := ""
	if synced {
		sync = "\n  sync_interval: always"
	}
	return fmt.Sprintf(`server_name: %s
listen: "127.0.0.1:%d"
jetstream {
  store_dir: %q%s
}
cluster {
  name: peers
  listen: "127.0.0.1:%d"
  routes: [%s]
}
`, name, client, dir, sync, route, strings.Join(peers, ", "))
}

// configurations spells out what was compared.
func configurations(versions []string) string {
	return fmt.Sprintf(`Both: three servers as three processes on 127.0.0.1, and the load in a fourth, all on this machine's processors and disk; events of %d bytes of JSON,
half of them random; every event checked by its number; each run with servers and a disk of its own.

freshet (%s): as it comes, measured by freshet bench. Three replicas; a publisher hears yes when its block is synced on a majority; acks are replicated,
synced, and confirmed to the consumer. Topics of 1 partition, as topics are unless they are asked for more (failover: 8), 4 producers with 4 batches of 1,000 under way, 4 consumers
with a window of 16,384. At full speed publishers wait while more than %d deliveries are outstanding (freshet bench --ahead). freshet's client compresses batches with S2 unless it is told otherwise; freshet-plain is told otherwise. The peer's client has no
compression of what it publishes.

JetStream (nats-server %s, nats.go %s), every setting not named as it comes:
- streams: file storage, 3 replicas, limits retention (an acked event stays, which spares the server the removal that a work queue makes).
- "as it comes" answers once a majority has an event in memory and syncs every two minutes; "synced" has sync_interval: always.
- publishing: fast batches (allow_batched, nats-server 2.14 and later): %d events between answers, %d answers outstanding, %d publishers, a stream each where
  there are several; jetstream-async: PublishMsgAsync with %d under way. latency: PublishMsgAsync at once for each event. unary and failover: Publish.
  At full speed publishers wait while more than %d deliveries are outstanding.
- consuming: durable pull consumers, 3 replicas, explicit acks, max_ack_pending %d; Consume with PullMaxMessages(%d), which asks again ahead; %d connections.
  Acks aren't confirmed (Ack, not DoubleAck): they count once sent, and in the end the server is asked that none is outstanding.
- filtered fan-out is by subject, ten subjects and filter_subject: servers don't look into events. freshet's is by a pattern over the event's JSON.
- publishers and consumers connect to the server that leads their stream, which spares a hop; in failover to any, and all addresses are known.
`, eventBytes, versions[0], ahead, versions[1], versions[2], batchFlow, batchAcks, loadConnections, asyncPending, ahead, ackPending, pullMessages, loadConnections)
}
