package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestDemoOnData runs the demo on real events.
func TestDemoOnData(t *testing.T) {
	dir := os.Getenv("FRESHET_DATA")
	if dir == "" {
		t.Log("FRESHET_DATA is not set: no real events to publish")
		return
	}
	cases := 0
	for _, file := range []struct {
		name          string
		lines, repeat int
	}{
		{"github-webhooks.jsonl.gz", 273, 2},
		{"aws-events.jsonl.gz", 16, 10},
	} {
		t.Run(file.name, func(t *testing.T) {
			events := file.lines * file.repeat
			checkDemo(t, events, "--data", filepath.Join(dir, file.name), "--repeat", strconv.Itoa(file.repeat))
			cases += events
		})
	}
	t.Logf("FRESHET_DATA: %d cases", cases)
}
