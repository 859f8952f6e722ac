// Package raftlogtest holds what whoever implements one of raftlog's interfaces promises, as tests: TestStateStore for a
// raftlog.StateStore. It has no machinery of its own; an implementation's tests call it.
//
// Everything is on a file system in memory, of which copies are taken as a power cut would leave it. Start reading at
// statestore.go, then crash.go.
package raftlogtest
