package main

// result is what a run found. Its names are those of freshet's own reports.
type result struct {
	System string `json:"system"`
	Work   string `json:"work"`
	Round  int    `json:"round"`
	// LoadAverage is the machine's, of the minute before the run; -1: it isn't known. What else runs on it shows there.
	LoadAverage float64 `json:"load_average"`

	PublishedPerSecond float64 `json:"published_per_s"`
	DeliveredPerSecond float64 `json:"delivered_per_s"`
	AckedPerSecond     float64 `json:"acked_per_s"`

	// Sent were confirmed; Received arrived, each once for each subscription that it is for.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	Lost     int64 `json:"lost"`
	Repeated int64 `json:"repeated"`
	Errors   int64 `json:"errors"`

	Publish  latency `json:"publish_ms"`
	EndToEnd latency `json:"latency_ms"`

	// CPUServers and CPULoad are processor seconds for a million events acked, or published where nobody consumes.
	CPUServers  float64 `json:"cpu_s_per_million_nodes"`
	CPULoad     float64 `json:"cpu_s_per_million_load"`
	DiskBytes   float64 `json:"disk_bytes_per_payload_byte"`
	ResidentMiB float64 `json:"rss_mb_max"`

	// PublishGap and DeliveryGap are the longest times from the kill on in which nothing was confirmed, and nothing arrived, in milliseconds.
	PublishGap  float64 `json:"publish_gap_ms,omitempty"`
	DeliveryGap float64 `json:"delivery_gap_ms,omitempty"`

	// Faults say what is wrong with it; there is no figure then.
	Faults []string `json:"faults,omitempty"`
}

// latency is in milliseconds.
type latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}
