package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/bench/load"
)

// runBench measures queues for a moment, and wants nothing left behind.
func runBench(ctx context.Context, t *testing.T, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	return runBenchOf(ctx, t, "queue", args...)
}

func runBenchOf(ctx context.Context, t *testing.T, work string, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	asChildren(t)
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	var said notices
	code = run(ctx, append([]string{"bench", work, "--warm-up", "100ms", "--duration", "300ms"}, args...), surroundings{
		stdin: strings.NewReader(""), stdout: &out, stderr: &said,
		width:  func() int { return 80 },
		lookup: func(string) (string, bool) { return "", false },
	})
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("the bench left %s behind", left)
	}
	return code, out.String(), said.String()
}

// checkBench wants a report in which all is well.
func checkBench(t *testing.T, code exitCode, stdout, stderr string) *load.Report {
	t.Helper()
	var r load.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v, %v: %q\n%s", code, err, stdout, stderr)
	}
	if code != exitOK || !r.OK || r.Sent == 0 || r.Sent*int64(r.Deliveries) != r.Received || r.Lost != 0 || r.Repeated != 0 || r.Errors != 0 || r.PublishedPerSecond <= 0 ||
		r.Publish.P50 <= 0 || r.Publish.P50 > r.Publish.Max || r.Bottleneck == "" {
		t.Fatalf("%v, %s\n%s", code, stdout, stderr)
	}
	if r.Deliveries > 0 && (r.AckedPerSecond <= 0 || r.DeliveredPerSecond <= 0 || r.EndToEnd.P50 <= 0 || r.EndToEnd.P50 > r.EndToEnd.Max) {
		t.Fatalf("%s\n%s", stdout, stderr)
	}
	return &r
}

// TestBenchQueue measures a node of its own, and profiles it.
func TestBenchQueue(t *testing.T) {
	profiles := t.TempDir()
	code, stdout, stderr := runBench(t.Context(), t, "--nodes", "1", "--partitions", "1", "--log-size", "256MiB", "--duration", "1s", "--profile", profiles, "--json")
	r := checkBench(t, code, stdout, stderr)
	if r.Nodes != 1 || r.CPUNodes == nil || *r.CPUNodes <= 0 || r.DiskBytes == nil ||
		r.SyncsPerSecond == nil || *r.SyncsPerSecond <= 0 || r.Stages["sync"] <= 0 || r.Stages["commit"] <= 0 {
		t.Errorf("%s", stdout)
	}
	for _, name := range []string{"load.pprof", "n1.pprof"} {
		if info, err := os.Stat(filepath.Join(profiles, name)); err != nil || info.Size() == 0 {
			t.Errorf("profile %s: %v, %v", name, info, err)
		}
	}
}

// TestBenchQueueConnected measures a node that runs already, at a rate.
func TestBenchQueueConnected(t *testing.T) {
	asChildren(t)
	program, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := cluster.New(t.Context(), cluster.Options{Name: "bench", Dir: t.TempDir(), Program: program, LogBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := nodes.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := nodes.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runBench(t.Context(), t, "--connect", nodes.Target(), "--partitions", "1", "--rate", "2000", "--json")
	if r := checkBench(t, code, stdout, stderr); r.CPUNodes != nil || r.OfferedPerSecond != 2_000 {
		t.Errorf("%s", stdout)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "before.json"), []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = runBench(t.Context(), t, "--connect", nodes.Target(), "--partitions", "1", "--event-bytes", "1KiB", "--producers", "1", "--consumers", "2",
		"--csv", filepath.Join(dir, "a.csv"), "--hdr", filepath.Join(dir, "a.hlog"), "--html", filepath.Join(dir, "a.html"), "--compare", filepath.Join(dir, "before.json"))
	for file, want := range map[string]string{"a.csv": "begin_s,", "a.hlog": "Tag=end-to-end,", "a.html": "published_per_s"} {
		if text, err := os.ReadFile(filepath.Join(dir, file)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, %.100s", file, err, text)
		}
		if !strings.Contains(stdout, "wrote       "+filepath.Join(dir, file)) {
			t.Errorf("%s isn't told of: %s", file, stdout)
		}
	}
	if !strings.Contains(stdout, "RATIO") || !strings.Contains(stdout, "event_bytes") {
		t.Errorf("nothing is compared: %s", stdout)
	}
	if code != exitOK || !strings.Contains(stdout, "0 lost  0 repeated") || !strings.Contains(stdout, "bottleneck  ") {
		t.Errorf("%v:\n%s\n%s", code, stdout, stderr)
	}
}

// TestBenchWorks measures a node by every work that needs no more than one.
func TestBenchWorks(t *testing.T) {
	asChildren(t)
	program, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := cluster.New(t.Context(), cluster.Options{Name: "bench", Dir: t.TempDir(), Program: program, LogBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := nodes.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := nodes.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(lines, []byte("{\"source\":\"a\",\"detail\":{}}\n\n{\"source\":\"b\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		work                              string
		args                              []string
		subscriptions, deliveries, topics int
	}{
		{"publish", []string{"--shape", "bytes", "--topics", "3"}, 0, 0, 3},
		{"publish", []string{"--unary", "--rate", "500", "--compression", "s2"}, 0, 0, 1},
		{"queue", []string{"--rate", "3000", "--topics", "4", "--keys", "64", "--ordered"}, 1, 1, 4},
		{"queue", []string{"--rate", "2000", "--data", lines}, 1, 1, 1},
		{"fanout", []string{"--rate", "2000", "--subscriptions", "3", "--members", "2", "--keys", "100"}, 3, 6, 1},
		{"fanout", []string{"--rate", "2000", "--matches", "2", "--data", lines}, 10, 2, 1},
		{"route", []string{"--rate", "1000", "--subscriptions", "20", "--patterns", "mixed", "--shape", "orders", "--event-bytes", "400"}, 20, 3, 1},
		{"latency", []string{"--rate", "1000", "--keys", "10"}, 1, 1, 1},
	} {
		t.Run(c.work+" "+strings.Join(c.args[:2], " "), func(t *testing.T) {
			code, stdout, stderr := runBenchOf(t.Context(), t, c.work, append(c.args, "--connect", nodes.Target(), "--partitions", "1", "--json")...)
			r := checkBench(t, code, stdout, stderr)
			if (r.OfferedPerSecond > 0) != (r.HandingOver != nil) {
				t.Errorf("at %d a second handing over took %+v", r.OfferedPerSecond, r.HandingOver)
			}
			if r.Work != c.work || r.Subscriptions != c.subscriptions || r.Deliveries != c.deliveries || r.Topics != c.topics {
				t.Errorf("%s", stdout)
			}
		})
	}
}

// TestBenchFailover kills a leader of three, and pauses one.
func TestBenchFailover(t *testing.T) {
	for _, flags := range [][]string{{}, {"--pause"}} {
		args := append([]string{"--rate", "500", "--partitions", "3", "--log-size", "64MiB", "--duration", "3s", "--at", "500ms", "--for", "1s", "--json"}, flags...)
		code, stdout, stderr := runBenchOf(t.Context(), t, "failover", args...)
		var r load.Report
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitOK || !r.OK || r.Lost != 0 || r.Sent == 0 || r.Strike == nil {
			t.Fatalf("%v, %v: %s\n%s", code, err, stdout, stderr)
		}
		if r.Strike.Node == "" || r.Strike.Led == 0 || r.Strike.PublishGap <= 0 || r.Strike.Away < 1_000 || r.Nodes != 3 {
			t.Errorf("%+v", r.Strike)
		}
	}
}

// TestBenchQueueInterrupted is Ctrl-C while the load is on.
func TestBenchQueueInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asChildren(t)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	stderr := &notices{first: cancel}
	var stdout bytes.Buffer
	code := run(ctx, []string{"bench", "queue", "--nodes", "1", "--partitions", "1", "--log-size", "64MiB", "--json"}, surroundings{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: stderr, width: func() int { return 80 }, lookup: func(string) (string, bool) { return "", false },
	})
	if code != exitFailed || stdout.Len() > 0 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("%v, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchUsage(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--nodes wants 1, 3 or 5", []string{"queue", "--nodes", "2"}},
		{"--nodes is for a cluster that is started", []string{"queue", "--nodes", "3", "--connect", "127.0.0.1:1"}},
		{"--profile is for a cluster that is started", []string{"queue", "--profile", "x", "--connect", "127.0.0.1:1"}},
		{"--connect wants HOST:PORT", []string{"queue", "--connect", "localhost"}},
		{"event bytes is 100", []string{"queue", "--event-bytes", "100"}},
		{"window is 100000", []string{"queue", "--window", "100000"}},
		{"--shape makes events, --data takes", []string{"queue", "--data", "x", "--shape", "orders"}},
		{"--shape", []string{"queue", "--shape", "square"}},
		{"linger is 5s", []string{"publish", "--linger", "5s"}},
		{"matches is 11: 1 to 10", []string{"fanout", "--matches", "11"}},
		{"consumers is 4", []string{"route", "--consumers", "4"}},
		{"only nodes that it has started", []string{"failover", "--connect", "127.0.0.1:1"}},
		{"--nodes wants 3 or 5", []string{"failover", "--nodes", "1"}},
		{"the strike comes at 20s", []string{"failover", "--duration", "15s", "--at", "20s"}},
	} {
		if code, _, stderr := runBenchOf(t.Context(), t, c.args[0], c.args[1:]...); code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %v, %s", c.args, code, stderr)
		}
	}
	code, _, stderr := runBench(t.Context(), t, "--connect", "127.0.0.1:1")
	if code != exitUnavailable || !strings.Contains(stderr, "no node answers") {
		t.Errorf("%v, %s", code, stderr)
	}
	for _, flag := range []string{"--data", "--compare"} {
		if code, _, stderr := runBench(t.Context(), t, flag, "nowhere/at/all"); code != exitFailed || !strings.Contains(stderr, flag) {
			t.Errorf("%s: %v, %s", flag, code, stderr)
		}
	}
}
