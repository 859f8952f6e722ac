package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/bench/demo"
	"github.com/freshet-mq/freshet/bench/overload"
)

// asProgram makes this test's binary be the program that it tests: what the demo
// starts as its node is then this very binary again.
const asProgram = "RUN_AS_FRESHET"

// asAbuser makes it be a bad client.
const asAbuser = "RUN_AS_ABUSER"

func TestMain(m *testing.M) {
	if os.Getenv(asAbuser) != "" {
		if err := overload.Abuse(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// runDemo runs the demo with real nodes, and wants nothing left behind.
func runDemo(ctx context.Context, t *testing.T, stderr *notices, args ...string) (exitCode, string) {
	t.Helper()
	dir := t.TempDir()
	asChildren(t)
	t.Setenv("TMPDIR", dir)
	var stdout bytes.Buffer
	code := run(ctx, append([]string{"demo", "--log-size", "64MiB"}, args...), surroundings{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: stderr,
		width:  func() int { return 80 },
		lookup: func(string) (string, bool) { return "", false },
	})
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("the demo left %s behind", left)
	}
	return code, stdout.String()
}

// notices is a standard error that calls somebody at the first word.
type notices struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first func()
}

func (n *notices) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.first != nil {
		n.first()
		n.first = nil
	}
	return n.text.Write(p)
}

func (n *notices) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// checkDemo wants a run of so many events in which all is well.
func checkDemo(t *testing.T, events int, args ...string) *demo.Report {
	t.Helper()
	var stderr notices
	code, stdout := runDemo(t.Context(), t, &stderr, append(args, "--json")...)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var r demo.Report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("%v: %q\n%s", err, stdout, stderr.String())
	}
	switch {
	case code != exitOK, !r.OK, r.Published != events, r.Lost != 0, r.Unexpected != 0, r.AfterAck != 0, r.OutOfOrder != 0, r.LeaderKills != 1, !r.ReplicasAgree:
		t.Fatalf("%v, %+v\n%s", code, r, stderr.String())
	case r.Matched < events, r.Matched != r.Delivered+r.DeadLettered, r.Acked+r.Rejected > r.Delivered:
		t.Fatalf("figures that can't be: %+v", r)
	}
	return &r
}

// TestDemo is the main job on a small scale: three real processes, a real kill.
func TestDemo(t *testing.T) {
	r := checkDemo(t, 600, "--events", "600", "--seed", "3")
	if r.Nodes != 3 || r.Partitions != 4 || r.SuccessionSeconds == 0 {
		t.Errorf("it was no cluster: %+v", r)
	}
	if r.Redelivered == 0 || r.Released == 0 || r.LeftToExpire == 0 || r.Rejected == 0 {
		t.Errorf("a run in which nothing came again shows little: %+v", r)
	}
}

// TestDemoInterrupted is Ctrl-C when the first event is about to be published.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &notices{first: cancel}
	code, stdout := runDemo(ctx, t, stderr, "--nodes", "1", "--json")
	if code != exitFailed || stdout != "" || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("%v, stdout %q, stderr %q", code, stdout, stderr.String())
	}
}

// TestDemoTooLate has no time for it, and must not call that a success.
func TestDemoTooLate(t *testing.T) {
	var stderr notices
	code, stdout := runDemo(t.Context(), t, &stderr, "--nodes", "1", "--deadline", "300ms", "--events", "1000000")
	if said := stdout + stderr.String(); code != exitFailed || !strings.Contains(said, "deadline") {
		t.Errorf("%v:\n%s", code, said)
	}
}
