package load

import (
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
		"event bytes": func(o *Options) { o.EventBytes = eventBytesMin - 1 }, "producers": func(o *Options) { o.Producers = workersMax + 1 },
		"consumers": func(o *Options) { o.Consumers = -1 }, "rate": func(o *Options) { o.Rate = -1 },
		"window": func(o *Options) { o.Window = windowMax + 1 }, "duration": func(o *Options) { o.Duration = -1 },
		"warm-up": func(o *Options) { o.WarmUp = durationMax + 1 }, "flights": func(o *Options) { o.Flights = flightsMax + 1 },
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

// TestReport works figures out that can be checked by hand.
func TestReport(t *testing.T) {
	o := Options{Target: "x", Topic: "y", Processes: []int{1, 2, 3}}
	o.EnsureDefaults()
	r := &run{Options: o, ledger: newLedger(1)}
	r.ledger.stored(0, 0, 10)
	for i := range uint64(10) {
		if _, err := r.ledger.arrived(0, i); err != nil {
			t.Fatal(err)
		}
	}
	r.meter.delivered.Store(10)
	r.meter.acked.Store(10)
	m := measured{
		counted: tally{published: 4_000_000, delivered: 3_000_000, acked: 2_000_000}, took: 2 * time.Second,
		used: usage{
			nodes: 3 * time.Second, load: time.Second, written: 3 * 4_000_000 * 256 * 2,
			machine: machineTime{total: 4 * time.Second, idle: 0, waiting: 0},
		},
	}
	p := r.report(m, nil)
	switch {
	case p.PublishedPerSecond != 2e6, p.DeliveredPerSecond != 1.5e6, p.AckedPerSecond != 1e6:
		t.Errorf("rates %v, %v, %v", p.PublishedPerSecond, p.DeliveredPerSecond, p.AckedPerSecond)
	case *p.CPUNodes != 1.5, *p.CPULoad != 0.5, *p.DiskBytes != 2:
		t.Errorf("costs %v, %v, %v", *p.CPUNodes, *p.CPULoad, *p.DiskBytes)
	case !p.OK, !strings.HasPrefix(p.Bottleneck, "processors: "):
		t.Errorf("ok %v, %v, bottleneck %s", p.OK, p.Faults, p.Bottleneck)
	}
}

// TestReportFaults wants each fault to be one.
func TestReportFaults(t *testing.T) {
	for want, p := range map[string]*Report{
		"nothing was stored": {}, "have not arrived": {Sent: 1, Lost: 1}, "were repeated": {Sent: 1, Repeated: 1},
		"not confirmed": {Sent: 1, Unacked: 1}, "were not stored": {Sent: 1, Errors: 1},
	} {
		if p.putFaults(nil); p.OK || !strings.Contains(strings.Join(p.Faults, "; "), want) {
			t.Errorf("%s: %v, %v", want, p.OK, p.Faults)
		}
	}
	p := &Report{Sent: 1}
	if p.putFaults(errOver); p.OK {
		t.Error("a run that ended early is fine")
	}
}

func TestBottleneck(t *testing.T) {
	second := time.Second
	for want, m := range map[string]measured{
		"processors: ":               {took: second, used: usage{nodes: second, load: second, machine: machineTime{total: 2 * second}}},
		"processors, and something ": {took: second, used: usage{nodes: second, machine: machineTime{total: 2 * second}}},
		"disk: ":                     {took: second, used: usage{machine: machineTime{total: 2 * second, waiting: second, idle: second}}},
		"waiting, ":                  {took: second, used: usage{machine: machineTime{total: 2 * second, idle: second}}},
		"unknown: what":              {usedErr: errUsageUnknown},
		"unknown: the":               {},
	} {
		nodes := 1.0
		if got := bottleneck(&Report{CPUNodes: &nodes}, m); !strings.HasPrefix(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	kept := &Report{OfferedPerSecond: 100, AckedPerSecond: 99.5}
	if got := bottleneck(kept, measured{}); !strings.HasPrefix(got, "none") {
		t.Errorf("a rate that was kept: %q", got)
	}
}
