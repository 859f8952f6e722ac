package raftlog

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// killedDirVariable names the directory in which a child of TestKilled proposes.
const killedDirVariable = "RAFTLOG_TEST_KILLED_DIR"

// TestKilled (R1) kills a process with SIGKILL while it proposes, several times over the same directory, and expects every
// command that it has reported, at its index, and the machine's state to be that of the log.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	reported := map[uint64]string{}
	for round := range 3 {
		for index, data := range killAfter(t, dir, 150) {
			if other, twice := reported[index]; twice {
				t.Fatalf("round %d: entry %d was reported as %q and as %q", round, index, other, data)
			}
			reported[index] = data
		}
		options := testOptions(t, dir)
		g := openLeading(t, options)
		for index, data := range reported {
			entry, err := g.Read(index)
			if err != nil || string(entry.Data) != data {
				t.Fatalf("round %d: entry %d is %q, %v; reported was %q", round, index, entry.Data, err, data)
			}
		}
		if got, want := stateOf(options), replay(t, g); got != want {
			t.Fatalf("round %d: the machine has %v, the log gives %v", round, got, want)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter starts a child, kills it when it has reported so many commands, and returns what it reported.
func killAfter(t *testing.T, dir string, reports int) map[uint64]string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killedDirVariable+"="+dir)
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	reported := map[uint64]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var index uint64
		var data string
		if _, err := fmt.Sscanf(lines.Text(), "applied %d %s .", &index, &data); err != nil {
			continue // the last line, torn
		}
		reported[index] = data
		if len(reported) == reports {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || len(reported) < reports {
		t.Fatalf("the child ended by itself after %d reports: %v", len(reported), err)
	}
	return reported
}

// proposeUntilKilled is the child: it keeps four commands in flight, and reports each that was applied. Checkpoints are
// frequent, so that some kills meet one.
func proposeUntilKilled(dir string) {
	g, err := Open(Options{
		Dir: dir, Node: "n1", Name: "p0", Machine: &tally{}, CheckpointBytes: 16 << 10, ElectionTimeout: electionTimeoutMin * 2,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	<-g.Leadership()
	type proposal struct {
		data   string
		future *Future
	}
	var inFlight []proposal
	for i := 0; ; i++ {
		data := fmt.Sprintf("%d-%d-%s", os.Getpid(), i, strings.Repeat("x", i%700))
		inFlight = append(inFlight, proposal{data, g.Propose([]byte(data))})
		if len(inFlight) < 4 {
			continue
		}
		applied, err := inFlight[0].future.Wait(context.Background())
		if err != nil {
			panic(err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "applied %d %s .\n", applied.Index, inFlight[0].data); err != nil {
			panic(err)
		}
		inFlight = inFlight[1:]
	}
}

// replay returns the state of a machine that applies all that the log holds, which must be all that there was.
func replay(t *testing.T, g *Group) tallied {
	t.Helper()
	usage := g.Usage()
	if usage.First != 1 {
		t.Fatalf("the log begins with entry %d", usage.First)
	}
	machine := &tally{}
	for index := usage.First; index <= usage.Last; index++ {
		if entry, err := g.Read(index); err == nil {
			machine.Apply(entry)
		}
	}
	return machine.state()
}

// TestCopiedWhileOpen reopens a copy of the files as they are between two commands, without anything having been closed:
// what a machine finds that lost its power there.
func TestCopiedWhileOpen(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.CheckpointBytes = 4 << 10
	g := openLeading(t, options)
	for i := range 40 {
		propose(t, g, []byte(fmt.Sprint(i)))
		if i%13 != 7 {
			continue
		}
		if err := g.Checkpoint(t.Context()); err != nil { // and none is being taken meanwhile
			t.Fatal(err)
		}
		copied := testOptions(t, filepath.Join(t.TempDir(), "copy"))
		if err := os.CopyFS(copied.Dir, os.DirFS(options.Dir)); err != nil {
			t.Fatal(err)
		}
		other := openLeading(t, copied)
		if got, want := stateOf(copied), stateOf(options); got != want {
			t.Fatalf("after %d commands the copy has %v, not %v", i+1, got, want)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
