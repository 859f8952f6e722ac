package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/freshet-mq/freshet/client"
)

// TestCSV wants a row an interval, and empty cells where nothing is known.
func TestCSV(t *testing.T) {
	r := &Report{Timeline: []Sample{
		{End: 0.5, PublishedPerSecond: 10},
		{
			Begin: 0.5, End: 1, Phase: PhaseMeasured, PublishedPerSecond: 20, DeliveredPerSecond: 19, AckedPerSecond: 18, LoadProcessors: 0.25,
			Publish: Latency{1, 2, 3, 4, 5}, EndToEnd: Latency{6, 7, 8, 9, 10},
			Nodes: []NodeSample{{Name: "n1", Processors: 0.5, WrittenPerSecond: 1e6, ResidentMiB: 100}},
		},
	}}
	var text strings.Builder
	if err := WriteCSV(&text, r); err != nil {
		t.Fatal(err)
	}
	want := `begin_s,end_s,phase,published_per_s,delivered_per_s,acked_per_s,` +
		`publish_p50_ms,publish_p90_ms,publish_p99_ms,publish_p999_ms,publish_max_ms,` +
		`latency_p50_ms,latency_p90_ms,latency_p99_ms,latency_p999_ms,latency_max_ms,load_processors,n1_processors,n1_disk_bytes_per_s,n1_rss_mb
0.000,0.500,warm-up,10.000,0.000,0.000,,,,,,,,,,,0.000,,,
0.500,1.000,measured,20.000,19.000,18.000,1.000,2.000,3.000,4.000,5.000,6.000,7.000,8.000,9.000,10.000,0.250,0.500,1000000.000,100.000
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

// TestCompare wants what is different, and nothing of what is the same.
func TestCompare(t *testing.T) {
	two, three := 2.0, 3.0
	now := &Report{Work: "queue", PublishedPerSecond: 300, Nodes: 3, CPUNodes: &three, EndToEnd: Latency{P99: 4}, DiskBytes: &two, Bottleneck: "b"}
	earlier := `{"work":"queue","published_per_s":200,"nodes":1,"latency_ms":{"p50":0,"p99":8},"disk_bytes_per_payload_byte":2,"bottleneck":"a",` +
		`"delivered_per_s":0,"lost":0}`
	differences, err := Compare([]byte(earlier), now)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, d := range differences {
		found[d.Name] = d.Earlier + " " + d.Now + " " + d.Ratio
	}
	for name, want := range map[string]string{
		"published_per_s": "200 300 1.50x", "nodes": "1 3 3.00x", "latency_ms.p99": "8 4 0.50x", "cpu_s_per_million_nodes": " 3 ",
	} {
		if found[name] != want {
			t.Errorf("%s: %q, want %q", name, found[name], want)
		}
	}
	for _, name := range []string{"work", "latency_ms.p50", "disk_bytes_per_payload_byte", "bottleneck", "delivered_per_s", "lost"} {
		if d, is := found[name]; is {
			t.Errorf("%s is said to differ: %s", name, d)
		}
	}
	for _, text := range []string{"", "[]", "{}", `{"published_per_s":`, `{"rules":1000}`} {
		if _, err := Compare([]byte(text), now); !errors.Is(err, ErrNotComparable) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestIntervals reads the log of histograms back.
func TestIntervals(t *testing.T) {
	var m meter
	var log bytes.Buffer
	timeline := newTimeline(&m, newWatch(nil), 1, &log)
	worker := m.latencies(endToEnd)
	worker.record(0, 5_000_000, 3)
	timeline.cut(PhaseMeasured)
	worker.record(0, 7_000_000, 2)
	timeline.cut(PhaseDrain)
	worker.record(0, 900_000_000, 1)
	timeline.cut(PhaseDrain)
	if timeline.mu.logErr != nil {
		t.Fatal(timeline.mu.logErr)
	}
	reader := hdrhistogram.NewHistogramLogReader(&log)
	var counts []int64
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if h.Tag() != "end-to-end" {
			t.Errorf("tag %q", h.Tag())
		}
		counts = append(counts, h.TotalCount())
	}
	if fmt.Sprint(counts) != "[3 2 1]" {
		t.Errorf("intervals have %v", counts)
	}
	var r Report
	timeline.addTo(&r)
	if len(r.Timeline) != 3 || r.EndToEnd.Max < 7 || r.EndToEnd.Max > 7.1 || r.Publish.Max != 0 || len(r.EndToEndPercentiles) == 0 {
		t.Errorf("%+v, %v", r.EndToEnd, r.Timeline)
	}
}

// TestOffsets wants places that were told twice or not at all to be found, in runs that overlap, and over pages.
func TestOffsets(t *testing.T) {
	o := newOffsets()
	result := func(partition uint32, offset uint64) client.Result {
		return client.Result{Receipt: client.Receipt{Partition: partition, Offset: offset}}
	}
	var batch []client.Result
	for i := range uint64(100) {
		batch = append(batch, result(1, i), result(2, i))
	}
	batch = append(batch, client.Result{Err: errOver}, result(1, 100))
	o.noteAll(0, batch)
	for first := uint64(0); first < 200_000; first += 1_000 {
		o.stored(1, 1, first, 1_000)
	}
	if twice, missing := o.findings(); twice != 0 || missing != 0 {
		t.Errorf("%d twice, %d missing of streams that are whole", twice, missing)
	}
	o.stored(1, 1, 1_995, 10)    // told before, in a page that is let go
	o.stored(0, 2, 98, 2)        // told before
	o.stored(0, 2, 103, 1)       // 100 to 102 are missing
	o.stored(1, 1, 262_144+5, 1) // the rest of a page, and five of the next
	twice, missing := o.findings()
	if want := int64(262_144 - 200_000 + 5 + 3); twice != 12 || missing != want {
		t.Errorf("%d twice, %d missing, want 12 and %d", twice, missing, want)
	}
	var nobody *offsets
	nobody.noteAll(0, batch)
	nobody.stored(0, 0, 0, 1)
	if twice, missing := nobody.findings(); twice != 0 || missing != 0 {
		t.Error("who keeps no offsets finds some")
	}
}

// TestKeys wants each key to be one account's, and what overtakes to be found.
func TestKeys(t *testing.T) {
	k := newKeys(10, 4, 2)
	owner := map[string]int{}
	for account := range 4 {
		for number := range uint64(30) {
			key := k.of(account, number)
			if before, seen := owner[key]; seen && before != account {
				t.Fatalf("key %s is of accounts %d and %d", key, before, account)
			}
			owner[key] = account
		}
	}
	if len(owner) != 10 {
		t.Errorf("%d keys are used of 10", len(owner))
	}
	// Account 0 has the keys 0, 4 and 8: its numbers 0, 3 and 6 have the first.
	for _, number := range []uint64{0, 1, 6, 2, 3, 9} {
		k.arrived(0, number, 0)
	}
	k.arrived(0, 3, 1) // another delivery has an order of its own
	if got := k.outOfOrder.Load(); got != 1 {
		t.Errorf("%d out of order, one is", got)
	}
	none := newKeys(0, 4, 2)
	if none.arrived(1, 1, 1); none.of(0, 0) != "" || none.outOfOrder.Load() != 0 {
		t.Error("without keys there are some")
	}
}

// TestGaps tells of events on three partitions, of which one falls silent.
func TestGaps(t *testing.T) {
	g := newGaps()
	g.note(1, 10)
	g.note(2, 10)
	g.note(2, 90) // before the strike: no matter
	g.since.Store(100)
	g.note(1, 130) // silent since 10, which counts from the strike
	g.note(1, 135)
	g.note(2, 101)
	is := func(one uint32) func(uint32) bool { return func(p uint32) bool { return p == one } }
	if got := g.longest(140, is(1)); got != 30 {
		t.Errorf("partition 1 was silent for %d, want 30", got)
	}
	if got := g.longest(140, is(2)); got != 1 {
		t.Errorf("partition 2 was silent for %d, want 1", got)
	}
	g.note(3, 50)
	g.cells[3].last.Store(50) // nothing came since
	if got := g.longest(400, is(3)); got != 300 {
		t.Errorf("partition 3 was silent for %d, want 300 to the end", got)
	}
	if got := g.longest(400, is(4)); got != 0 {
		t.Errorf("a partition without events was silent for %d", got)
	}
}

// TestCounters reads metrics, whatever labels they have.
func TestCounters(t *testing.T) {
	const text = `# HELP freshet_log_batches_total x
freshet_log_batches_total 12
freshet_log_batches_total_other 99
freshet_stage_duration_seconds_bucket{stage="sync",le="0.1"} 7
freshet_stage_duration_seconds_sum{stage="sync"} 0.5
freshet_stage_duration_seconds_count{stage="sync"} 1e+01 1700000000
freshet_stage_duration_seconds_count{stage="a newer one"} 3
freshet_publish_events_total{topic="a } b",result="stored"} 4
go_sync_mutex_wait_total_seconds_total 2.5
`
	c, err := parseCounters(strings.NewReader(text))
	if err != nil || c.syncs != 12 || c.locked != 2.5 || c.syncing() != 0.5 || c.stages[4].times != 10 {
		t.Errorf("%+v, %v", c, err)
	}
	before := counters{syncs: 5, locked: 9}
	if d := c.minus(before); d.syncs != 7 || d.locked != 2.5 {
		t.Errorf("since then %+v: a counter that went back began anew", d)
	}
	for _, broken := range []string{"freshet_log_batches_total", "freshet_log_batches_total x", `freshet_stage_duration_seconds_sum{stage="sync"`} {
		if _, err := parseCounters(strings.NewReader(broken)); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}
