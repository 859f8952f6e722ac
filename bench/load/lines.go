package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
)

// ReadLines reads a file of events, one a line, for Options.Lines. Empty lines are passed over; one of
// more than 1 MiB, and a file of more than 256 MiB, is an error.
func ReadLines(name string) (lines [][]byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, eventBytesMax)
	total := 0
	for scanner.Scan() {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		if total += len(line); total > linesBytesMax {
			return nil, fmt.Errorf("%s has more than %d bytes", name, linesBytesMax)
		}
		lines = append(lines, bytes.Clone(line))
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", name, len(lines)+1, err)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s has no events", name)
	}
	return lines, nil
}
