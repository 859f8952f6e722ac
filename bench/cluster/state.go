package cluster

// State is how a node's process is.
//
//	             Start            ready
//	Stopped ───────────► Starting ─────► Running ◄──────► Paused
//	   ▲ ▲                   │              │   Pause, Resume │
//	   │ │      by itself    ▼              ▼                 ▼
//	   │ └─ Stop       Ended ◄──────────────┴─────────────────┤ Kill
//	   └──  Start again: from Stopped, Ended and Killed ── Killed ◄┘
type State uint8

// The states.
const (
	// Stopped: not started yet, or ended in order.
	Stopped State = iota
	// Starting: there is a process, and it doesn't serve yet.
	Starting
	// Running: it has said that it serves.
	Running
	// Paused: it was stopped in its tracks (SIGSTOP). Its connections stand, and
	// nothing answers.
	Paused
	// Killed: it was ended by SIGKILL.
	Killed
	// Ended: it ended although nobody ended it.
	Ended
)

func (s State) String() string {
	names := [...]string{"stopped", "starting", "running", "paused", "killed -9", "ended"}
	if int(s) >= len(names) {
		return "in no known state"
	}
	return names[s]
}

// alive reports whether there is a process.
func (s State) alive() bool { return s == Starting || s == Running || s == Paused }
