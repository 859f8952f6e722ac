package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/freshet-mq/freshet/bench/history"
)

// writeHistory leaves a history beside the nodes' logs, a record a line.
func writeHistory(dir string, h *history.History) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, "history.jsonl"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriter(f)
	encoder := json.NewEncoder(buffered)
	write := func(what string, number int, record any) {
		if err == nil {
			err = encoder.Encode(map[string]any{"what": what, "number": number, "record": record})
		}
	}
	for i := range h.Readers {
		write("reader", i, h.Readers[i])
	}
	for i := range h.Faults {
		write("fault", i, h.Faults[i])
	}
	for i := range h.Publishes {
		write("publish", i, h.Publishes[i])
	}
	for i := range h.Deliveries {
		write("delivery", i, h.Deliveries[i])
	}
	for i := range h.Decisions {
		write("decision", i, h.Decisions[i])
	}
	for i := range h.Applied {
		write("applied", i, h.Applied[i])
	}
	for i := range h.Reads {
		write("read", i, h.Reads[i])
	}
	for i := range h.Dead {
		write("dead", i, h.Dead[i])
	}
	for i := range h.Held {
		write("held", i, h.Held[i])
	}
	for i := range h.Named {
		write("named", i, h.Named[i])
	}
	return errors.Join(err, buffered.Flush())
}
