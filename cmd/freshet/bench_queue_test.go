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

// runBench measures for a moment, and wants nothing left behind.
func runBench(ctx context.Context, t *testing.T, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	asChildren(t)
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	var said notices
	code = run(ctx, append([]string{"bench", "queue", "--warm-up", "100ms", "--duration", "300ms"}, args...), surroundings{
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
	if code != exitOK || !r.OK || r.Sent == 0 || r.Sent != r.Received || r.Lost != 0 || r.Repeated != 0 || r.Errors != 0 || r.AckedPerSecond <= 0 ||
		r.PublishedPerSecond <= 0 || r.DeliveredPerSecond <= 0 || r.EndToEnd.P50 <= 0 || r.EndToEnd.P50 > r.EndToEnd.Max || r.Bottleneck == "" {
		t.Fatalf("%v, %s\n%s", code, stdout, stderr)
	}
	return &r
}

// TestBenchQueue measures a node of its own, and profiles it.
func TestBenchQueue(t *testing.T) {
	profiles := t.TempDir()
	code, stdout, stderr := runBench(t.Context(), t, "--nodes", "1", "--partitions", "1", "--log-size", "256MiB", "--duration", "1s", "--profile", profiles, "--json")
	r := checkBench(t, code, stdout, stderr)
	if r.Nodes != 1 || r.CPUNodes == nil || *r.CPUNodes <= 0 || r.DiskBytes == nil {
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
	code, stdout, stderr = runBench(t.Context(), t, "--connect", nodes.Target(), "--partitions", "1", "--event-bytes", "1KiB", "--producers", "1", "--consumers", "2")
	if code != exitOK || !strings.Contains(stdout, "0 lost  0 repeated") || !strings.Contains(stdout, "bottleneck  ") {
		t.Errorf("%v:\n%s\n%s", code, stdout, stderr)
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

func TestBenchQueueUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"--nodes wants 1, 3 or 5":                    {"--nodes", "2"},
		"--nodes is for a cluster that is started":   {"--nodes", "3", "--connect", "127.0.0.1:1"},
		"--profile is for a cluster that is started": {"--profile", "x", "--connect", "127.0.0.1:1"},
		"--connect wants HOST:PORT":                  {"--connect", "localhost"},
		"event bytes is 100":                         {"--event-bytes", "100"},
		"window is 100000":                           {"--window", "100000"},
	} {
		if code, _, stderr := runBench(t.Context(), t, args...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: %v, %s", args, code, stderr)
		}
	}
	code, _, stderr := runBench(t.Context(), t, "--connect", "127.0.0.1:1")
	if code != exitUnavailable || !strings.Contains(stderr, "no node answers") {
		t.Errorf("%v, %s", code, stderr)
	}
}
