package cluster

import (
	"errors"
	"io"
	"os"
	"strings"
)

// logTailMax bounds how much of a log is read for its last lines.
const logTailMax = 16 << 10

// lastLines are a file's last lines, at most so many, of what stands from a
// position on.
func lastLines(name string, from int64, limit int) (_ string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from = max(from, info.Size()-logTailMax)
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(file, from, logTailMax), logTailMax))
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-limit):], "\n"), nil
}
