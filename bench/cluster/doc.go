// Package cluster runs nodes as processes of this machine: some, on loopback, of
// the one binary, that can be killed, paused and started again. `freshet dev`,
// `freshet demo` and `freshet bench` stand on it.
//
// # What it owns
//
// The processes, their ports, their configuration files and their logs. It owns
// nothing of what they say to each other or to clients, and it doesn't know how
// to run a node: the program is given to it, and has to understand
//
//	PROGRAM serve --config DIR/n1.yaml --inherit api=3,peer=4,admin=5
//
// A directory of a cluster holds, for each node:
//
//	n1/        its data
//	n1.yaml    its configuration, as `freshet serve` reads it
//	n1.log     what it wrote to standard error, of all its processes
//
// Between parent and child:
//
//	parent                                   child
//	  reserve ports (port.go)
//	  listen on them ── descriptors 3.. ───► serves on what it inherited
//	  standard input, open ────────────────► ends in order when that ends
//	  waits (readiness.go) ◄── one line ──── {"ready":true,"node":"n1","api":"127.0.0.1:7600"}
//	  kill -9, STOP, CONT ─────────────────►
//	                       ◄── standard error: n1.log, shown when it fails
//
// # Invariants
//
//	CL1  A port belongs to its node from New to Close, whether the node's process
//	     is there or not. While it isn't, whoever dials is refused at once, as by a
//	     machine on which the process has died (Linux; elsewhere the port is free
//	     meanwhile).
//	CL2  No process outlives this one, however this one ends: on Linux the system
//	     kills it then (PR_SET_PDEATHSIG); everywhere its standard input ends.
//	CL3  A process that ends although nobody ended it is told of (Options.Died),
//	     with the last lines of its log.
//	CL4  Children get nothing of this process's FRESHET_ environment: what they
//	     are to do stands in their configuration files, and there alone.
//
//	CL5  A node with a place of its own (Options.Places) lives there from its ports on:
//	     no socket of its is ever outside.
//
// # Goroutines
//
// One for each process, which keeps its thread (process.go says why), and ends
// when the process is reaped. Close waits for all of them.
//
// # Where to start reading
//
// cluster.go, then node.go.
package cluster
