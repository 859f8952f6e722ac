// Package brokertest runs a node of freshet inside a test: the real one, log, Raft and all, in memory where nothing has to be on a disk, without a port,
// and with a clock that the test can turn.
//
//	func TestBilling(t *testing.T) {
//		node := brokertest.Start(t)
//		node.Queue("orders/billing", `{"detail-type":["Order Created"]}`)
//		c := node.Client()
//		...
//		node.Clock().Advance(31 * time.Second) // leases have run out
//	}
//
//	test ──▶ client.Client ──▶ a pipe ──▶ broker.Node ──▶ t.TempDir()
//	  └─────────── Advance ──▶ Clock ────────▲
//
// Everything ends with the test: the clients that Client made, then the node. What a node logs is shown where the test fails.
//
// It owns no behaviour: what works here works on a cluster. A cluster of several nodes, and what happens when they die, is another matter; freshet
// dev --nodes 3 has one to play with.
package brokertest
