package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/broker"
)

// startNode starts a node for a script; the commands that follow talk to it.
func (s *session) startNode(t *testing.T) string {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	node, err := broker.Start(t.Context(), broker.Options{Node: "n1", Dir: filepath.Join(t.TempDir(), "node"), Partitions: 1, Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	s.nodes = append(s.nodes, node)
	s.env["FRESHET_SERVER"] = node.Addr().String()
	s.replaced = append(s.replaced, strings.NewReplacer(node.Addr().String(), "NODE"))
	return ""
}

// startCluster starts three nodes for a script, each a process.
func (s *session) startCluster(t *testing.T) string {
	t.Helper()
	c, err := cluster.New(t.Context(), cluster.Options{
		Nodes: 3, Name: "script", Dir: t.TempDir(), Program: []string{os.Args[0]}, Environment: []string{asProgram + "=1"},
		LogBytes: 16 << 20, Died: func(_ *cluster.Node, err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(c.Start(t.Context()), c.Await(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.cluster, s.env["FRESHET_SERVER"] = c, c.Target()
	return ""
}

// awaitStatus waits until cluster status says what is wanted of it.
func (s *session) awaitStatus(t *testing.T, wanted func(status string) bool) string {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		out := s.runOne(t, []string{"cluster", "status"}, "")
		if strings.HasPrefix(out, "cluster ") && wanted(out) {
			return ""
		}
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatalf("the cluster doesn't come to what is wanted:\n%s", out)
		}
	}
}

// stopNodes ends a script's nodes in order.
func (s *session) stopNodes(t *testing.T) {
	for _, node := range s.nodes {
		// The test's own context has ended by now.
		if err := node.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// running is a command that goes on until it is told to end.
type running struct {
	t      *testing.T
	lines  *bufio.Scanner
	stderr bytes.Buffer // to be read once it has ended
	cancel context.CancelFunc
	ended  chan exitCode
}

// begin runs a command with its standard output at hand.
func begin(t *testing.T, stdin io.Reader, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	r := &running{t: t, lines: bufio.NewScanner(reader), cancel: cancel, ended: make(chan exitCode, 1)}
	go func() {
		code := run(ctx, args, surroundings{
			stdin: stdin, stdout: writer, stderr: &r.stderr,
			width: func() int { return 80 }, lookup: func(string) (string, bool) { return "", false },
		})
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
		r.ended <- code
	}()
	t.Cleanup(cancel)
	return r
}

// until reads lines until one matches, and returns its submatches.
func (r *running) until(pattern string) []string {
	r.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for r.lines.Scan() {
		if found := wanted.FindStringSubmatch(r.lines.Text()); found != nil {
			return found
		}
	}
	r.t.Fatalf("it ended without %q: exit %v\n%s", pattern, <-r.ended, r.stderr.String())
	return nil
}

// end tells it to end, and waits.
func (r *running) end(want exitCode) {
	r.t.Helper()
	r.cancel()
	r.wait(want)
}

// wait waits until it ends by itself.
func (r *running) wait(want exitCode) {
	r.t.Helper()
	for r.lines.Scan() { // a writer waits for its reader
	}
	if code := <-r.ended; code != want {
		r.t.Errorf("exit %d (%v), want %v\n%s", int(code), code, want, r.stderr.String())
	}
}

// ask runs a command to its end.
func ask(t *testing.T, args ...string) (stdout string, code exitCode) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, surroundings{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		width: func() int { return 80 }, lookup: func(string) (string, bool) { return "", false },
	})
	if errs.Len() > 0 {
		t.Logf("freshet %s\n%s", strings.Join(args, " "), errs.String())
	}
	return out.String(), code
}

// TestServeInheritsAListenerAndEndsWithItsParent hands a listener over as package
// bench/cluster does.
func TestServeInheritsAListenerAndEndsWithItsParent(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	// The command closes the descriptor that it is given, so it gets one that
	// nobody else does.
	descriptor, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	parent, lifeline := io.Pipe()
	node := begin(t, parent, "serve", "--data", filepath.Join(t.TempDir(), "n1"), "--inherit", "api="+strconv.Itoa(descriptor))
	address := node.until(`^\{"ready":true,"node":"n1","api":"(\S+)"\}`)[1]
	if address != listener.Addr().String() {
		t.Errorf("it listens on %s, not on %s", address, listener.Addr())
	}
	if _, code := ask(t, "topic", "list", "--server", address); code != exitOK {
		t.Errorf("exit %v", code)
	}
	if err := lifeline.Close(); err != nil {
		t.Error(err)
	}
	node.wait(exitOK)
}

func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	serve := begin(t, nil, "serve", "--data", dir, "--listen-api", "127.0.0.1:0", "--listen-admin", "off", "--telemetry-log-format", "json")
	found := serve.until(`^freshet .* serves on (\S+)`)
	if _, code := ask(t, "topic", "list", "--server", found[1]); code != exitOK {
		t.Errorf("exit %v", code)
	}
	second := begin(t, nil, "serve", "--data", dir, "--listen-api", "127.0.0.1:0", "--listen-admin", "off")
	second.wait(exitFailed)
	if said := second.stderr.String(); !strings.Contains(said, "in use by") {
		t.Errorf("a second node on the same directory: %s", said)
	}
	serve.end(exitOK)
}

// TestServeRefusesTheTestsData: to tests FRESHET_DATA names a directory of events,
// to a node its own. A node that is started with the tests' leaves it alone.
func TestServeRefusesTheTestsData(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "aws-events.jsonl.gz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"serve", "--listen-api", "127.0.0.1:0", "--listen-admin", "off"}, surroundings{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, width: func() int { return 80 },
		lookup: func(name string) (string, bool) {
			if name == "FRESHET_DATA" {
				return dir, true
			}
			return "", false
		},
	})
	if said := stderr.String(); code != exitFailed || !strings.Contains(said, "name an empty directory") || !strings.Contains(said, "from env FRESHET_DATA") {
		t.Errorf("exit %v: %s", code, said)
	}
}

// TestTailEndsWellWhenInterrupted: Ctrl-C is how tail is meant to end.
func TestTailEndsWellWhenInterrupted(t *testing.T) {
	s := &session{env: map[string]string{}}
	t.Cleanup(func() { s.stopNodes(t) })
	s.startNode(t)
	server := s.env["FRESHET_SERVER"]
	for _, args := range [][]string{{"topic", "create", "orders"}, {"sub", "create", "orders", "all"}, {"send", "orders", `{"amount": 1}`}} {
		if _, code := ask(t, append(args, "--server", server)...); code != exitOK {
			t.Fatalf("%q: exit %v", args, code)
		}
	}
	tail := begin(t, nil, "tail", "orders", "--from", "earliest", "--server", server)
	tail.until(`"offset":0.*"amount":1`)
	if _, code := ask(t, "send", "orders", `{"amount": 2}`, "--server", server); code != exitOK {
		t.Errorf("exit %v", code)
	}
	tail.until(`"offset":1.*"amount":2`)
	tail.end(exitOK)
}

// TestLookGivesBackWhenInterrupted: nothing is leased once it has ended.
func TestLookGivesBackWhenInterrupted(t *testing.T) {
	s := &session{env: map[string]string{}}
	t.Cleanup(func() { s.stopNodes(t) })
	s.startNode(t)
	server := s.env["FRESHET_SERVER"]
	for _, args := range [][]string{
		{"topic", "create", "orders"}, {"sub", "create", "orders", "caches", "--kind", "fanout", "--member", "a"}, {"send", "orders", `{"amount": 1}`},
	} {
		if _, code := ask(t, append(args, "--server", server)...); code != exitOK {
			t.Fatalf("%q: exit %v", args, code)
		}
	}
	look := begin(t, nil, "take", "orders", "caches", "--member", "a", "--wait", "1h", "--server", server)
	look.until(`"offset":0,"attempt":1`)
	look.end(exitOK)
	out, code := ask(t, "sub", "list", "orders", "--json", "--server", server)
	if code != exitOK || !strings.Contains(out, `"ready":1,"leased":0,"delayed":0,"dead":0,"sessions":0`) {
		t.Errorf("exit %v, %s", code, out)
	}
}
