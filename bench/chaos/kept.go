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
	err = errors.Join(
		writeRecords(encoder, "reader", h.Readers), writeRecords(encoder, "fault", h.Faults), writeRecords(encoder, "publish", h.Publishes),
		writeRecords(encoder, "delivery", h.Deliveries), writeRecords(encoder, "decision", h.Decisions), writeRecords(encoder, "applied", h.Applied),
		writeRecords(encoder, "read", h.Reads), writeRecords(encoder, "dead", h.Dead), writeRecords(encoder, "held", h.Held),
		writeRecords(encoder, "named", h.Named),
	)
	return errors.Join(err, buffered.Flush())
}

// writeRecords writes those of one kind, with the numbers by which others name them.
func writeRecords[R any](encoder *json.Encoder, what string, records []R) error {
	for number, record := range records {
		if err := encoder.Encode(map[string]any{"what": what, "number": number, "record": record}); err != nil {
			return err
		}
	}
	return nil
}
