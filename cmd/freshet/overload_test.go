package main

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/overload"
)

// `make overload` and `make idle` give these larger values.
var (
	overloadPhase       = flag.Duration("overload.phase", 400*time.Millisecond, "how long each abuse lasts")
	overloadCalm        = flag.Duration("overload.calm", 400*time.Millisecond, "how long the good client is watched before each")
	overloadConnections = flag.Int("overload.connections", 150, "connections that do nothing, over all nodes")
	overloadClients     = flag.Int("overload.clients", 1, "connections of each other abuse, to each node")
	overloadNodes       = flag.Int("overload.nodes", 1, "nodes")
	overloadLog         = flag.Int64("overload.log", 256<<20, "bytes of the log")
	overloadTmpfs       = flag.Bool("overload.tmpfs", false, "fill a disk of 64 MiB; needs root, to make one")
	overloadOnly        = flag.String("overload.only", "", "the abuses to do, separated by commas")
	idleWatch           = flag.Duration("idle.watch", time.Second, "how long an idle cluster is watched")
	idlePolls           = flag.Int("idle.polls", 60, "parked long polls")
	idleProfile         = flag.String("idle.profile", "", "a directory for profiles of the idle nodes")
)

// TestOverload has real nodes abused while a good client works.
func TestOverload(t *testing.T) {
	asChildren(t)
	program, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	o := overload.Options{
		Program: program, Abuser: program, AbuserEnvironment: []string{asAbuser + "=1"}, Dir: t.TempDir(), Nodes: *overloadNodes, Phase: *overloadPhase, Calm: *overloadCalm,
		Connections: *overloadConnections, Clients: *overloadClients, LogBytes: *overloadLog, Polls: *idlePolls, Only: *overloadOnly, Progress: os.Stderr,
	}
	if !testing.Verbose() {
		o.Progress = nil
	}
	t.Log(overload.Header)
	report, err := overload.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Check(*overloadConnections); err != nil {
		t.Error(err)
	}
	t.Logf("%d events were stored, %d are lost", report.Stored, report.Lost)
}

// TestIdle: a cluster in which polls wait and nothing happens has no entries, but those of new leaders.
func TestIdle(t *testing.T) {
	asChildren(t)
	program, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	costs, err := overload.Idle(t.Context(), overload.Options{Program: program, Dir: t.TempDir(), Nodes: 3, Polls: *idlePolls}, *idleWatch, *idleProfile)
	if err != nil {
		t.Fatal(err)
	}
	for _, cost := range costs {
		t.Log(cost)
		if cost.Elections == 0 && (cost.Entries > 0 || cost.Records > 0) {
			t.Errorf("idle, and yet: %v", cost)
		}
	}
}
