package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// freshet is measured by its own tool, which starts three nodes, verifies every event, and removes them.
type freshet struct {
	program string
	// plain: its client is told not to compress.
	plain bool
}

func (f *freshet) name() string {
	if f.plain {
		return "freshet-plain"
	}
	return "freshet"
}

func (f *freshet) measures(w *work) bool { return !f.plain || w.batched() }

// arguments of a work.
func (f *freshet) arguments(w *work, t times) []string {
	list := append([]string{"bench"}, w.freshet...)
	if f.plain {
		list = append(list, "--compression", "none")
	}
	measured := t.measured
	if w.kill {
		measured = t.before + struckFor + struckAfter
		list = append(list, "--at", t.before.String(), "--for", struckFor.String())
	}
	list = append(list, "--warm-up", t.warmUp.String(), "--duration", measured.String())
	if w.subscriptions > 0 && w.batched() {
		list = append(list, "--ahead", strconv.Itoa(ahead))
	}
	return append(list, "--json")
}

// A node that is killed comes back after struckFor, which is longer than the others need to take over (the tool says so otherwise: there is a gap of that
// length), and is measured a little longer.
const (
	struckFor   = 4 * time.Second
	struckAfter = time.Second
)

// report is what the tool says beyond a result's names.
type report struct {
	result

	Strike *struct {
		PublishGap  float64 `json:"publish_gap_ms"`
		DeliveryGap float64 `json:"delivery_gap_ms"`
	} `json:"strike"`
}

func (f *freshet) run(ctx context.Context, w *work, t times) (*result, error) {
	command := exec.CommandContext(ctx, f.program, f.arguments(w, t)...) //nolint:gosec // the program that the user named
	command.Cancel = func() error { return interrupt(command.Process) }  // it ends its nodes and removes their data
	command.WaitDelay = stopWithin
	var out, trouble bytes.Buffer
	command.Stdout, command.Stderr = &out, &trouble
	runErr := command.Run()
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, errors.Join(runErr, fmt.Errorf("freshet %s: %s", strings.Join(f.arguments(w, t), " "), lastLines(trouble.String())))
	}
	if r.Strike != nil {
		r.PublishGap, r.DeliveryGap = r.Strike.PublishGap, r.Strike.DeliveryGap
	}
	if runErr != nil && len(r.Faults) == 0 {
		r.Faults = []string{runErr.Error()}
	}
	return &r.result, nil
}

// lastLines is what somebody needs of a long text.
func lastLines(text string) string {
	const most = 12
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-most, 0):], "\n")
}
