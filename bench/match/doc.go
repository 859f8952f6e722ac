// Package match measures the matcher: one core, blocks of events against a set of rules, with two yardsticks on the same events in
// the same run. It is what `freshet bench match` shows.
//
// # What it owns
//
// The workload (workload.go): rules in the proportions of a broker's, and events in EventBridge's envelope that match one to ten of
// them. The measurement (measure.go) and its figures (figures.go). It sees package matcher as anybody's program does.
//
//	Workload ─▶ patterns ─▶ Set ─▶ Program ──┐
//	    │                                    ├─ rounds: compiled, json.Valid, compiled, json.Valid, ... ─▶ Figures
//	    └─▶ events ──────────────────────────┘                                            plain, at most 2 s
//
// # Invariants
//
//   - M1, interleaved: compiled engine and yardsticks take turns, so that a busy machine is busy for all of them. A rate is the
//     median of the rounds.
//   - M2, the same answers: the compiled engine's matches of the sample are compared with the plain one's.
//   - M3, seeds: the same options make the same rules and events.
//
// # Goroutines
//
// None. Start reading at measure.go.
package match
