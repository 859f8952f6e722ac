package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/load"
)

// TestBenchSeriesPossible wants every run of every series to be one that the load takes on.
func TestBenchSeriesPossible(t *testing.T) {
	for name, runs := range benchSeries {
		if len(runs) == 0 {
			t.Errorf("series %s is empty", name)
		}
		for _, one := range runs {
			o := load.Options{Work: one.work, Target: "x", Topic: "y", Duration: 4 * time.Second}
			if one.more != nil {
				one.more(&o)
			}
			o.EnsureDefaults()
			if err := o.Validate(); err != nil {
				t.Errorf("%s, %s: %v", name, one.name, err)
			}
		}
	}
}

// TestBenchSeries measures the shortest series on single nodes.
func TestBenchSeries(t *testing.T) {
	before := benchSeries["backlog"]
	defer func() { benchSeries["backlog"] = before }()
	benchSeries["backlog"] = benchGrowing("waiting", []int{0, 2_000}, load.WorkQueue, func(o *load.Options, n int) { o.Partitions, o.Backlog = 1, n })
	code, stdout, stderr := runBenchOf(t.Context(), t, "series", "backlog", "--nodes", "1", "--log-size", "256MiB", "--json")
	var answer struct {
		Series string
		OK     bool
		Runs   []struct {
			Name    string
			Backlog int
			Sent    int64
			Lost    int64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		t.Fatalf("%v, %v: %s\n%s", code, err, stdout, stderr)
	}
	if code != exitOK || !answer.OK || len(answer.Runs) != 2 || answer.Runs[1].Backlog != 2_000 || answer.Runs[1].Sent < 2_000 || answer.Runs[1].Name != "2,000 waiting" {
		t.Errorf("%v, %+v\n%s", code, answer, stderr)
	}
}

// TestBenchSeriesTable shows what is known, and what is wrong.
func TestBenchSeriesTable(t *testing.T) {
	cpu := 1.5
	answer := benchSeriesReport{Series: "quick", Runs: []benchSeriesResult{
		{"publish", &load.Report{PublishedPerSecond: 1_234, Publish: load.Latency{P50: 1, P99: 2}, CPUNodes: &cpu, OK: true}},
		{"failover", &load.Report{Deliveries: 1, EndToEnd: load.Latency{P50: 3, P99: 4}, Strike: &load.StrikeReport{PublishGap: 250}, Faults: []string{"one is lost", "two came twice"}}},
	}}
	var text bytes.Buffer
	answer.table(&output{w: &text})
	for _, want := range []string{"QUICK ", "1,234", "1.50", "250  one is lost; two came twice"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing:\n%s", want, text.String())
		}
	}
}
