package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// benchMatch runs the command and returns what it wrote.
func benchMatch(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"bench", "match"}, args...), surroundings{
		stdin: &bytes.Buffer{}, stdout: &stdout, stderr: &stderr,
		width:  func() int { return 80 },
		lookup: func(string) (string, bool) { return "", false },
	})
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	return stdout.String()
}

// TestBenchMatch looks at what doesn't depend on the machine: which figures there are, and those that count something.
func TestBenchMatch(t *testing.T) {
	var figures map[string]float64
	text := benchMatch(t, "--rules", "20", "--event-bytes", "500", "--json")
	if err := json.Unmarshal([]byte(text), &figures); err != nil || strings.Count(text, "\n") != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	want := []string{"add_ms", "allocs_per_event", "bytes_per_rule", "event_bytes", "events_per_s", "json_valid_per_s", "ns_per_event", "rules"}
	if got := slices.Sorted(maps.Keys(figures)); !slices.Equal(got, want) {
		t.Errorf("the figures are %v, want %v", got, want)
	}
	if figures["rules"] != 20 || figures["event_bytes"] < 450 || figures["event_bytes"] > 550 {
		t.Errorf("20 rules and events of 500 bytes were wanted: %s", text)
	}
	if figures["allocs_per_event"] > 0.5 {
		t.Errorf("%v allocations an event", figures["allocs_per_event"])
	}
	for _, name := range []string{"events_per_s", "json_valid_per_s", "ns_per_event", "add_ms"} {
		if figures[name] <= 0 {
			t.Errorf("%s is %v", name, figures[name])
		}
	}
}

// TestBenchMatchTable looks at the columns that people get.
func TestBenchMatchTable(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(benchMatch(t, "--rules", "5")), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want a head, a row, a gap, and a line about rules: %q", len(lines), lines)
	}
	head, row := strings.Fields(lines[0]), strings.Fields(lines[1])
	want := []string{"RULES", "BYTES", "MATCHES", "EVENTS/S", "MB/S", "NS", "ALLOCS", "JSON.VALID/S", "RATIO", "PLAIN/S"}
	if !slices.Equal(head, want) || len(row) != len(want) || row[0] != "5" {
		t.Errorf("%v, want %v:\n%v", head, want, row)
	}
	if !strings.HasPrefix(lines[3], "rules   added in ") || !strings.Contains(lines[3], "one more in") || !strings.Contains(lines[3], "one less in") {
		t.Errorf("the last line is %q", lines[3])
	}
}
