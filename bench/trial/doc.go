// Package trial has what every trial has in common: a cluster that is broken while clients use it (bench/clients), and is judged by what
// they were told, whatever it is made of. In bench/chaos a trial is a round of processes, in bench/sim a seed in virtual time.
//
// # What it owns
//
// At whom a fault is aimed, and how long it lasts; how a node with an empty disk is let in; what a trial came to; and the sum of many, which
// is a line of docs/runs.jsonl. It owns no fault: what can be done to a cluster depends on what it is made of.
//
//	Draw ──► Aim ──► a fault of chaos or sim ──► effect?
//	                            │
//	clients.Outcome ──┐         ▼
//	Troubles ─────────┴──► Result ──► Summary ──► Append: docs/runs.jsonl
//
// # Invariants
//
//	T1  What is random of a fault is drawn before its trial begins, in an order that nothing that happens can change.
//	T2  A trial that is void proves nothing: it doesn't count for the bound, and says why. A finding in it counts all the same.
//
// # Goroutines
//
// None. Troubles are told by many at once.
//
// # Where to start reading
//
// aim.go, then result.go and summary.go.
package trial
