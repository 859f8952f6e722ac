package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/freshet-mq/freshet/matcher"
)

// Limits of a file of events.
const (
	// lineBytesMax is the largest event that a topic takes: 1 MiB.
	lineBytesMax = 1 << 20
	// dataBytesMax bounds a file, unpacked: it is held in memory.
	dataBytesMax = 512 << 20
)

// Data is a Feed of a file's events: each line is one, as its bytes stand there,
// and the file is gone through so many times. Lines have no name of their own
// (some repeat an id, some have none), so an event is known by its line and by
// how often the file has been gone through.
type Data struct {
	name          string
	lines         []dataLine
	repeat        int
	subscriptions []Subscription
}

type dataLine struct {
	number int // in the file, from 1
	event  []byte
	wanted SubscriptionSet
}

// DataError says why a file can't be used.
type DataError struct {
	File   string
	Line   int // 0: the file as a whole
	Reason string
	cause  error
}

func (e *DataError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d of %q %s", e.Line, e.File, e.Reason)
	}
	return fmt.Sprintf("%q %s", e.File, e.Reason)
}

func (e *DataError) Unwrap() error { return e.cause }

// OpenData reads a file of events, gzip or plain by its content: an event a line,
// at most 1 MiB each, 512 MiB in all. Blank lines are none. It chooses
// subscriptions that suit the file, and has package matcher's plain evaluator
// say which lines they want. Errors are *DataError.
func OpenData(path string, repeat int) (*Data, error) {
	d := &Data{name: path, repeat: repeat}
	if err := d.read(); err != nil {
		return nil, err
	}
	d.subscriptions = subscriptionsFor(d.lines)
	if err := d.decide(); err != nil {
		return nil, err
	}
	return d, nil
}

// decide has the plain evaluator say who wants which line. Lines that aren't
// events are refused: nobody could say what should become of them.
func (d *Data) decide() error {
	patterns := make([]*matcher.Pattern, len(d.subscriptions)) // nil: every event
	for i, s := range d.subscriptions {
		if s.Pattern == "" {
			continue
		}
		var err error
		if patterns[i], err = matcher.Parse([]byte(s.Pattern)); err != nil {
			return fmt.Errorf("demo: pattern of %q: %w", s.Name, err)
		}
	}
	for i := range d.lines {
		line := &d.lines[i]
		event := matcher.ParseEvent(matcher.Event{JSON: line.event})
		if err := event.Err(); err != nil {
			return &DataError{File: d.name, Line: line.number, Reason: "is not an event: " + err.Error(), cause: err}
		}
		for j, pattern := range patterns {
			if pattern.MatchParsed(event) {
				line.wanted = line.wanted.With(j)
			}
		}
	}
	return nil
}

func (d *Data) read() (err error) {
	file, err := os.Open(d.name)
	if err != nil {
		return d.unreadable(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewReaderSize(file, 64<<10)
	var unpacked io.Reader = buffered
	// Peek fails on less than two bytes, which are no gzip either.
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if unpacked, err = gzip.NewReader(buffered); err != nil {
			return d.unreadable(err)
		}
	}
	scanner := bufio.NewScanner(unpacked)
	scanner.Buffer(make([]byte, 0, 64<<10), lineBytesMax+2) // and the line's end
	total, number := 0, 0
	for scanner.Scan() {
		number++
		event := scanner.Bytes()
		if len(bytes.TrimSpace(event)) == 0 {
			continue
		}
		if total += len(event); total > dataBytesMax {
			return &DataError{File: d.name, Line: number, Reason: fmt.Sprintf("is beyond the %d MiB that the demo holds", dataBytesMax>>20)}
		}
		d.lines = append(d.lines, dataLine{number: number, event: bytes.Clone(event)})
	}
	switch {
	case errors.Is(scanner.Err(), bufio.ErrTooLong):
		return &DataError{File: d.name, Line: number + 1, Reason: fmt.Sprintf("is larger than %d MiB, the largest event", lineBytesMax>>20)}
	case scanner.Err() != nil:
		return d.unreadable(scanner.Err())
	case len(d.lines) == 0:
		return &DataError{File: d.name, Reason: "holds no event: it should have one a line"}
	}
	return nil
}

func (d *Data) unreadable(err error) error {
	reason := err.Error()
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err.Error()
	}
	return &DataError{File: d.name, Reason: "can't be read: " + reason, cause: err}
}

// Len is how many events there are: lines times repetitions.
func (d *Data) Len() int { return len(d.lines) * d.repeat }

// Event is the event at a position: the file is gone through line by line.
func (d *Data) Event(position int) ([]byte, SubscriptionSet) {
	line := d.lines[position%len(d.lines)]
	return line.event, line.wanted
}

// Subscriptions are those that were chosen for the file.
func (d *Data) Subscriptions() []Subscription { return d.subscriptions }

// Key is one of some dozens for each event, whatever it is: a file doesn't say what
// belongs together.
func (d *Data) Key(position int) string { return fmt.Sprintf("lane-%d", position%dataKeys) }

// dataKeys is how many keys there are.
const dataKeys = 64

// Describe names the line, and which time it was.
func (d *Data) Describe(position int) string {
	number, time := d.lines[position%len(d.lines)].number, position/len(d.lines)+1
	if d.repeat == 1 {
		return fmt.Sprintf("line %d", number)
	}
	return fmt.Sprintf("line %d, time %d of %d", number, time, d.repeat)
}
