package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
)

// readiness is what a node's standard output is for: a line of JSON says that it
// serves.
type readiness struct {
	line  []byte
	ready chan struct{}
	done  bool
}

// readyLineMax bounds what is kept while waiting for the line.
const readyLineMax = 64 << 10

func (r *readiness) Write(p []byte) (int, error) {
	if r.done {
		return len(p), nil
	}
	r.line = append(r.line, p...)
	for !r.done {
		line, rest, ok := bytes.Cut(r.line, []byte("\n"))
		if !ok {
			break
		}
		r.line = rest
		var said struct {
			Ready bool `json:"ready"`
		}
		if json.Unmarshal(line, &said) == nil && said.Ready { // other lines are for people
			r.done, r.line = true, nil
			close(r.ready)
		}
	}
	if len(r.line) > readyLineMax {
		return 0, errors.New("a line without an end")
	}
	return len(p), nil
}
