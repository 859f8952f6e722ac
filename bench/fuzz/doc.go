// Package fuzz stays with each fuzz target of the tree for as much processor time as it is told, and writes down what came of it.
//
//	**/*_test.go ──▶ func FuzzX ──▶ go test -c -fuzz ──▶ slices of FuzzX, until its processor time is used ──▶ a line of docs/runs.jsonl
//
// Time is that of processors (getrusage of the target's processes), so that a busy machine takes longer and doesn't prove less. The
// corpus that a target grows is kept where go test keeps it ($GOCACHE/fuzz), so that runs go on where the last one ended. An input that
// fails is written into the package's testdata by Go itself, and replayed by make test from then on.
//
//	make fuzz                               every target, 20 minutes of a processor each
//	make fuzz TIME=30s TARGETS='Receipt|Config'
package fuzz
