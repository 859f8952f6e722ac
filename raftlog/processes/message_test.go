package processes

import "time"

// order is a line that a child reads.
type order struct {
	// Start is the first: it says who the members are.
	Start *start `json:"start,omitempty"`
	// Load asks for load on the groups that the node leads.
	Load *load `json:"load,omitempty"`
	// Leads asks which groups the node leads.
	Leads bool `json:"leads,omitempty"`
}

// start makes a child a member.
type start struct {
	// Addresses of all members, in their order; the child has its own number from its environment.
	Addresses []string `json:"addresses"`
}

// load says what to propose.
type load struct {
	EntryBytes int `json:"entry_bytes"`
	// InFlight is how many proposals of a group are on their way at once.
	InFlight int `json:"in_flight"`
	// Rate is how many entries a second are proposed to a group, whatever the answers do; 0: as many as InFlight lets pass.
	Rate float64 `json:"rate"`
	// Warm is how long the load runs before anything is counted, and Run for how long it is.
	Warm time.Duration `json:"warm"`
	Run  time.Duration `json:"run"`
}

// answer is a line that a child writes.
type answer struct {
	Listening string  `json:"listening,omitempty"`
	Started   bool    `json:"started,omitempty"`
	Leads     []int   `json:"leads"`
	Knows     int     `json:"knows"` // of how many groups it knows who leads
	Figures   *figure `json:"figures,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// figure is what a child measured while it was loaded.
type figure struct {
	// Entries that were applied here as their group's leader, and the bytes of their commands.
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`
	// Micros has each entry's latency, from the time at which it should have been proposed until its result was there.
	Micros []uint32 `json:"micros"`
	// CPU is the process's user and system time.
	CPU time.Duration `json:"cpu"`
	// DiskBytes is what the kernel was given to write to disks.
	DiskBytes int64 `json:"disk_bytes"`
	// Failed proposals; there should be none.
	Failed int64 `json:"failed"`
}
