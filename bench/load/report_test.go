package load

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	fine := Options{Target: "127.0.0.1:1", Topic: "bench"}
	fine.EnsureDefaults()
	if err := fine.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(o *Options){
		"no cluster": func(o *Options) { o.Target = "" }, "no name": func(o *Options) { o.Topic = "" },
		"event bytes is 100: 1": func(o *Options) { o.EventBytes = 100 }, "producers": func(o *Options) { o.Producers = workersMax + 1 },
		"consumers": func(o *Options) { o.Consumers = -1 }, "rate": func(o *Options) { o.Rate = -1 },
		"window": func(o *Options) { o.Window = windowMax + 1 }, "duration": func(o *Options) { o.Duration = -1 },
		"warm-up": func(o *Options) { o.WarmUp = durationMax + 1 }, "flights": func(o *Options) { o.Flights = flightsMax + 1 },
		"topics": func(o *Options) { o.Topics = topicsMax + 1 }, "subscriptions is 10001": func(o *Options) { o.Subscriptions = 10_001 },
		"linger is 2s": func(o *Options) { o.Linger = 2 * time.Second }, "matches is 2": func(o *Options) { o.Matches = 2 },
		"only fan-outs": func(o *Options) { o.Members = 2 }, "with publish nobody consumes": func(o *Options) { o.Work = WorkPublish },
		"subscriptions is 0":            func(o *Options) { o.Subscriptions = 0 },
		"is delivered 2000 times":       func(o *Options) { o.Work, o.Subscriptions, o.Matches, o.Consumers = WorkRoute, 2_000, 2_000, 100 },
		"need 40 at least":              func(o *Options) { o.Work, o.Subscriptions, o.Matches, o.Partitions = WorkRoute, 1_000, 3, 8 },
		"patterns see nothing":          func(o *Options) { o.Shape, o.Subscriptions = ShapeBytes, 2 },
		"ordered is for queues":         func(o *Options) { o.Ordered = true },
		"keys is 3: 16 flights":         func(o *Options) { o.Keys = 3 },
		"keys are not for unary":        func(o *Options) { o.Keys, o.Send = 100, SendUnary },
		"event 2 of the file":           func(o *Options) { o.Lines = [][]byte{[]byte(`{"a":1}`), []byte(`[1]`)} },
		"without subscriptions nothing": func(o *Options) { o.Work, o.Subscriptions, o.Matches, o.Backlog = WorkPublish, 0, 0, 1 },
		"ahead is 1: it is for full":    func(o *Options) { o.Rate, o.Ahead = 1, 1 },
		"ahead is -1":                   func(o *Options) { o.Ahead = -1 },
		"published at full speed":       func(o *Options) { o.Rate, o.Backlog = 1, 1 },
		"failover needs a node":         func(o *Options) { o.Work = WorkFailover },
		"the strike comes at 7s":        func(o *Options) { o.Strike = &Strike{At: 7 * time.Second, For: 1} },
		"the strike lasts 0s":           func(o *Options) { o.Strike = &Strike{At: time.Second} },
		"with keys at most 4096":        func(o *Options) { o.Keys, o.Producers, o.Flights = 100_000, 1_000, 1_000 },
		"keys times deliveries of":      func(o *Options) { o.Keys, o.Work, o.Subscriptions, o.Matches = 1_000_000, WorkFanout, 20, 20 },
	} {
		o := fine
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	large := Options{EventBytes: 1 << 20}
	if large.EnsureDefaults(); large.Batch*large.EventBytes > batchBytesMax {
		t.Errorf("a batch of %d events of 1 MiB", large.Batch)
	}
}

// TestWorkDefaults wants every work to be possible with nothing else said.
func TestWorkDefaults(t *testing.T) {
	for _, work := range []Work{WorkQueue, WorkPublish, WorkFanout, WorkRoute, WorkLatency, WorkFailover} {
		o := Options{Target: "x", Topic: "y", Work: work}
		if work == WorkFailover {
			o.Strike = &Strike{At: 5 * time.Second, For: time.Second}
		}
		o.EnsureDefaults()
		if err := o.Validate(); err != nil {
			t.Errorf("%v: %v", work, err)
		}
	}
}

// reported is a run of 10 events that all arrived.
func reported(t *testing.T, o Options) *run {
	t.Helper()
	o.EnsureDefaults()
	r := &run{Options: o, ledger: newLedger(1, 1), keys: newKeys(0, 1, 1), watch: newWatch(o.Nodes)}
	r.timeline = newTimeline(&r.meter, r.watch, time.Second, nil)
	r.ledger.stored(0, 0, 10)
	for i := range uint64(10) {
		if _, err := r.ledger.arrived(0, i, 0); err != nil {
			t.Fatal(err)
		}
	}
	r.meter.delivered.Store(10)
	r.meter.acked.Store(10)
	return r
}

// TestReport works figures out that can be checked by hand.
func TestReport(t *testing.T) {
	self := Node{PID: os.Getpid}
	r := reported(t, Options{Target: "x", Topic: "y", Nodes: []Node{self, self, self}})
	node := nodeUsage{processor: time.Second, written: 4_000_000 * 256 * 2, residentMax: 100 << 20}
	var synced [len(stageNames)]stageCounters
	synced[4] = stageCounters{times: 100, seconds: 1}
	m := measured{
		counted: tally{published: 4_000_000, delivered: 3_000_000, acked: 2_000_000, bytes: 4_000_000 * 256}, took: 2 * time.Second,
		used:     usage{nodes: []nodeUsage{node, node, node}, load: time.Second, machine: machineTime{total: 4 * time.Second}},
		counters: []counters{{syncs: 100, stages: synced}, {syncs: 200}}, countersTook: 2 * time.Second,
	}
	p := r.report(m, nil)
	switch {
	case p.PublishedPerSecond != 2e6, p.DeliveredPerSecond != 1.5e6, p.AckedPerSecond != 1e6, p.PublishedMegabytes != 512:
		t.Errorf("rates %v, %v, %v, %v", p.PublishedPerSecond, p.DeliveredPerSecond, p.AckedPerSecond, p.PublishedMegabytes)
	case *p.CPUNodes != 1.5, *p.CPULoad != 0.5, *p.DiskBytes != 2, *p.SyncsPerSecond != 75, *p.ResidentMiB != 300, *p.ResidentNodeMiB != 100:
		t.Errorf("costs %v, %v, %v, %v, %v, %v", *p.CPUNodes, *p.CPULoad, *p.DiskBytes, *p.SyncsPerSecond, *p.ResidentMiB, *p.ResidentNodeMiB)
	case len(p.Stages) != 1, p.Stages["sync"] != 10:
		t.Errorf("stages %v", p.Stages)
	case !p.OK, !strings.HasPrefix(p.Bottleneck, "processors: "), !strings.Contains(p.Bottleneck, "synced 50 %"):
		t.Errorf("ok %v, %v, bottleneck %s", p.OK, p.Faults, p.Bottleneck)
	}
}

// TestReportFaults wants each fault to be one, and a struck node to excuse what it may.
func TestReportFaults(t *testing.T) {
	for want, p := range map[string]*Report{
		"nothing was stored": {}, "have not arrived": {Sent: 1, Lost: 1}, "were repeated": {Sent: 1, Repeated: 1},
		"not confirmed": {Sent: 1, Unacked: 1}, "were not stored": {Sent: 1, Errors: 1},
	} {
		r := reported(t, Options{})
		if r.putFaults(p, &measured{}, nil); p.OK || !strings.Contains(strings.Join(p.Faults, "; "), want) {
			t.Errorf("%s: %v, %v", want, p.OK, p.Faults)
		}
	}
	p := &Report{Sent: 1}
	if reported(t, Options{}).putFaults(p, &measured{}, errOver); p.OK {
		t.Error("a run that ended early is fine")
	}
	for expired, want := range map[int64]string{-1: "nobody knows", 0: "no lease ran out", 7: "leases of 7 ran out"} {
		if got := (&measured{expired: expired}).leases(); !strings.Contains(got, want) {
			t.Errorf("%d: %s", expired, got)
		}
	}
	struck := reported(t, Options{Strike: &Strike{}})
	struck.struck.name = "n1"
	p = &Report{Sent: 1, Repeated: 5, Unacked: 3}
	if struck.putFaults(p, &measured{}, nil); !p.OK {
		t.Errorf("a struck node's repetitions are faults: %v", p.Faults)
	}
}

func TestBottleneck(t *testing.T) {
	second := time.Second
	by := func(nodes, load, waiting, idle time.Duration) measured {
		return measured{
			took: second, countersTook: second,
			used: usage{nodes: []nodeUsage{{processor: nodes}}, load: load, machine: machineTime{total: 2 * second, waiting: waiting, idle: idle}},
		}
	}
	counted := func(m measured, c counters) measured { m.counters = []counters{c}; return m }
	wired := func(m measured, n networkUsage) measured { m.used.network = n; return m }
	for want, m := range map[string]measured{
		"processors: ":               by(second, second, 0, 0),
		"processors, and something ": by(second, 0, 0, 0),
		"disk: ":                     by(0, 0, second, second),
		"disk: of 2.0":               counted(by(0, 0, 0, 2*second), counters{stages: [len(stageNames)]stageCounters{4: {seconds: 0.95}}}),
		"locks: ":                    counted(by(0, 0, 0, 2*second), counters{locked: 3}),
		"network: ":                  wired(by(0, 0, 0, 2*second), networkUsage{sent: 90, perSecondMax: 100}),
		"waiting, ":                  by(0, 0, 0, 2*second),
		"unknown: what":              {usedErr: errUsageUnknown},
		"unknown: the":               {},
	} {
		nodes := 1.0
		if got := bottleneck(&Report{CPUNodes: &nodes}, &m); !strings.HasPrefix(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	kept := &Report{OfferedPerSecond: 100, Deliveries: 2, PublishedPerSecond: 99.5, DeliveredPerSecond: 199}
	m := by(0, 0, 0, 2*second)
	if got := bottleneck(kept, &m); !strings.HasPrefix(got, "none") {
		t.Errorf("a rate that was kept: %q", got)
	}
	kept.DeliveredPerSecond = 100
	if got := bottleneck(kept, &m); strings.HasPrefix(got, "none") {
		t.Errorf("half of the deliveries came: %q", got)
	}
}
