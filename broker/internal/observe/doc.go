// Package observe is what a node tells those who run it, in figures: Prometheus metrics of an event's way, of subscriptions, of the log and of the
// process.
//
//	partition.Observer ──▶ histograms of stages, ages ─┐
//	publishing ──────────▶ counters by topic, result ──┤
//	raftlog ─────────────▶ histogram of syncs ─────────┼──▶ registry ──▶ GET /metrics
//	scrape ──▶ State ────▶ gauges: what is there now ──┘
//
// Counters and histograms are kept as things happen; gauges are made when somebody asks, from a State that the node gives, so that a node nobody
// watches pays for none.
//
// Invariants:
//
//   - O1: labels are bounded. At most NamesMax topics and subscriptions have series of their own; all others share the name "other". Those of a
//     name that is gone go with the next scrape.
//   - O2: nothing here blocks, or fails, what is measured.
//
// It doesn't own what it measures, nor the admin port. Names and units are listed in docs/lookup/metrics.md, which a test compares.
//
// Start reading at metrics.go.
package observe
