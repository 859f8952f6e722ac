// Package logstoretest holds the contract that hashicorp/raft's code has with a LogStore and a StableStore, as one suite of
// tests for every implementation: the node's shared log, the metadata group's store, and the library's own in memory, which
// shows that the suite asks for nothing that the library doesn't. It owns no state and starts no goroutines. Run is the
// whole of it; contract.go has what it runs.
//
//	raftlog (bolt) ──┐
//	raftlog/wal ─────┼──▶ Run(t, Implementation{Open, Reopen})
//	raft.InmemStore ─┘
package logstoretest
