// Command freshet is the whole of freshet in one program: the node, the
// playground, and what people and scripts say to a node.
//
// # What it owns
//
// The grammar of the command line, the configuration of a node, how answers are
// written (table, JSON, YAML), how refusals are written and with which exit code
// the process ends. It owns no behaviour of the broker: a command turns words
// into one or two calls of client, matcher or broker, and turns the answer into
// words again.
//
//	arguments ── usage.go ──► a command ──► client ──► a node somewhere
//	  grammar.go                 │ │││
//	                             │ ││└─────► matcher    (offline: pattern, explain)
//	                             │ │└──────► broker     (serve)
//	                             │ └───────► bench      (dev, demo, bench: serve as child processes)
//	    standard output ◄── output.go
//	    standard error  ◄── failure.go ◄── anything that went wrong
//
// # Invariants
//
//	C1  Answers go to standard output, everything else to standard error. With
//	    -o json the last line on standard output is the answer, one object; take
//	    and tail write one a line for each event.
//	C2  A refusal says what happened, what was seen, what to do, and carries a
//	    code that never changes its meaning. The same code always gives the same
//	    exit code (exitOf).
//	C3  No command needs a terminal or standard input, and none asks questions.
//	C4  Whatever the help says can be run: a test parses every example in it.
//	C5  What a command makes for itself (dev's data) is removed when it ends.
//
// # Goroutines
//
// main starts none but those of signal.NotifyContext. serve leaves a node's to
// package broker and waits until it has ended; under a parent one more waits for
// the end of standard input. dev has one that takes orders, and leaves its
// processes to bench/cluster. take has one that reads a session's stream, or one
// that extends leases while commands run. All but the one on standard input are
// joined. The context of run ends at the first SIGINT or SIGTERM; another one,
// a second later or more, ends the process at once.
//
// # Where to start reading
//
// main.go, then grammar.go (all commands at a glance), then one small command:
// topic.go. Tests are scripts in testdata: they read like a session.
package main
