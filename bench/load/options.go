package load

import (
	"errors"
	"fmt"
	"time"
)

// Options say what a run is.
type Options struct {
	// Target is the cluster: what client.Connect takes. Required.
	Target string
	// Topic is what the topic is called that the run makes and deletes. It must not
	// be there yet. Required.
	Topic string
	// Processes are the nodes' on this machine, by process id. Default: none, and
	// what nodes use isn't reported.
	Processes []int
	// EventBytes is how long an event is, 128 bytes to 1 MiB. Default 256.
	EventBytes int
	// Partitions is on how many the topic is, 1 to as many as the cluster has. Default
	// 8.
	Partitions int
	// Producers and Consumers are how many there are, 1 to 1,024, each with
	// connections of its own. Default 4.
	Producers, Consumers int
	// Rate is how many events are offered in a second, by all producers together.
	// Default 0: as many as the cluster takes.
	Rate int
	// Batch is how many events a producer hands over at once, 1 to 16,384. Default
	// 1,000; with a Rate it is what has become due, and at most this.
	Batch int
	// Flights is how many batches a producer has under way, 1 to 1,024. Default 4.
	Flights int
	// Window is how many events a consumer may hold, 1 to 65,536. Default 16,384.
	Window int
	// WarmUp is how long the load is on before it is measured. Default 2 s.
	WarmUp time.Duration
	// Duration is how long it is measured. Default 6 s.
	Duration time.Duration
	// Drain is how long what was stored may take to arrive after that, before it is
	// lost. Default 30 s.
	Drain time.Duration
	// Measured is called when the measured time begins, and what it returns when that
	// ends. Default: nothing.
	Measured func() (ended func())
	// Progress is told once a second how it goes. Default: nobody.
	Progress func(Progress)
}

// Progress is how a run goes.
type Progress struct {
	// Phase is "warm-up", "measured" or "drain".
	Phase string
	// Elapsed is the time since the load began.
	Elapsed time.Duration
	// Published, Delivered and Acked are how many events there were in the last
	// second.
	Published, Delivered, Acked int64
}

// Bounds and defaults of Options.
const (
	eventBytesDefault = 256
	eventBytesMax     = 1 << 20
	partitionsDefault = 8
	workersDefault    = 4
	workersMax        = 1_024
	batchDefault      = 1_000
	batchMax          = 16_384
	batchBytesMax     = 8 << 20
	flightsDefault    = 4
	flightsMax        = 1_024
	windowDefault     = 16_384
	windowMax         = 65_536
	rateMax           = 100_000_000
	warmUpDefault     = 2 * time.Second
	durationDefault   = 6 * time.Second
	durationMax       = 24 * time.Hour
	drainDefault      = 30 * time.Second
)

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	defaultTo(&o.EventBytes, eventBytesDefault)
	defaultTo(&o.Partitions, partitionsDefault)
	defaultTo(&o.Producers, workersDefault)
	defaultTo(&o.Consumers, workersDefault)
	defaultTo(&o.Batch, batchDefault)
	defaultTo(&o.Flights, flightsDefault)
	defaultTo(&o.Window, windowDefault)
	defaultTo(&o.WarmUp, warmUpDefault)
	defaultTo(&o.Duration, durationDefault)
	defaultTo(&o.Drain, drainDefault)
	if o.Measured == nil {
		o.Measured = func() func() { return func() {} }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	// What is under way is bounded in bytes too.
	o.Batch = max(1, min(o.Batch, batchBytesMax/max(1, o.EventBytes)))
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	if o.Target == "" {
		return errors.New("there is no cluster to put load on")
	}
	if o.Topic == "" {
		return errors.New("the topic has no name")
	}
	for _, field := range []struct {
		name            string
		value, min, max int
	}{
		{"event bytes", o.EventBytes, eventBytesMin, eventBytesMax},
		{"partitions", o.Partitions, 1, 1 << 16},
		{"producers", o.Producers, 1, workersMax},
		{"consumers", o.Consumers, 1, workersMax},
		{"rate", o.Rate, 0, rateMax},
		{"batch", o.Batch, 1, batchMax},
		{"flights", o.Flights, 1, flightsMax},
		{"window", o.Window, 1, windowMax},
	} {
		if field.value < field.min || field.value > field.max {
			return fmt.Errorf("%s is %d: %d to %d are possible", field.name, field.value, field.min, field.max)
		}
	}
	for _, field := range []struct {
		name  string
		value time.Duration
	}{{"warm-up", o.WarmUp}, {"duration", o.Duration}, {"drain", o.Drain}} {
		if field.value <= 0 || field.value > durationMax {
			return fmt.Errorf("%s is %v: more than 0 and at most %v are possible", field.name, field.value, durationMax)
		}
	}
	return nil
}
