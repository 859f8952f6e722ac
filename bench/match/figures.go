package match

import "time"

// Figures are what was measured. Rates are of one core.
type Figures struct {
	Rules int `json:"rules"`
	// EventBytes is how long the events are, on average.
	EventBytes int `json:"event_bytes"`
	// EventsPerSecond is how many events the compiled engine puts to all rules.
	EventsPerSecond float64 `json:"events_per_s"`
	// JSONValidPerSecond is how many of the same events encoding/json.Valid reads.
	JSONValidPerSecond  float64 `json:"json_valid_per_s"`
	NanosecondsPerEvent float64 `json:"ns_per_event"`
	AllocsPerEvent      float64 `json:"allocs_per_event"`
	// BytesPerRule is the memory that the set keeps, with nothing of the patterns' texts kept beside it.
	BytesPerRule float64 `json:"bytes_per_rule"`
	// AddMilliseconds is how long it takes to parse all rules and add them to an empty set.
	AddMilliseconds float64 `json:"add_ms"`

	// PlainPerSecond is how many of the same events the plain engine puts to all rules.
	PlainPerSecond float64 `json:"-"`
	// MatchesPerEvent is how many rules match an event, on average.
	MatchesPerEvent float64 `json:"-"`
	// AddOne and RemoveOne are how long one change takes, with a snapshot after it, in the full set: the median.
	AddOne, RemoveOne time.Duration `json:"-"`
}

// Ratio is how many times as fast as json.Valid the compiled engine is.
func (f *Figures) Ratio() float64 { return f.EventsPerSecond / f.JSONValidPerSecond }

// MegabytesPerSecond is how much of the events' text that is.
func (f *Figures) MegabytesPerSecond() float64 {
	return f.EventsPerSecond * float64(f.EventBytes) / 1e6
}
