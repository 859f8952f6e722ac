package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// Bounds of one batch of lines: what the client may hold at a time, at most.
const (
	batchEventsMax = 1024
	batchBytesMax  = 4 << 20
)

// linesAnswer is what send --lines says to programs.
type linesAnswer struct {
	Topic string `json:"topic"`
	Sent  int    `json:"sent"`
	// Matched counts the events that each subscription gets, Unmatched those
	// that none does.
	Matched   map[string]int `json:"matched"`
	Unmatched int            `json:"unmatched"`
}

// lineSender sends a file line by line, in batches.
type lineSender struct {
	command  *sendCommand
	call     *invocation
	producer *client.Producer
	answer   linesAnswer

	batch   []client.Event
	numbers []int // of the batch's lines
	bytes   int   // of the batch's lines
}

func (s *sendCommand) sendLines(ctx context.Context, call *invocation) error {
	if s.Data != "" {
		return usageFailure("both DATA and --file say what the events are", "give one of them")
	}
	opened, err := openInput(s.File, call.stdin)
	if err != nil {
		return err
	}
	sending := &lineSender{command: s, call: call, answer: linesAnswer{Topic: s.Topic, Matched: map[string]int{}}}
	err = call.withClient(ctx, func(c *client.Client) error {
		if sending.producer, err = c.Producer(s.Topic, client.WithMatches()); err != nil {
			return err
		}
		err := opened.lines(func(number int, line []byte) error { return sending.add(ctx, number, line) })
		if err == nil {
			err = sending.flush(ctx)
		}
		return sending.stopped(err)
	})
	if err = errors.Join(err, opened.close()); err != nil {
		return err
	}
	sending.write()
	return nil
}

// stopped says how far it got when an error ended it.
func (l *lineSender) stopped(err error) error {
	if err == nil || l.answer.Sent == 0 {
		return err
	}
	why := failureOf(err, nil)
	return &failure{
		code:  codePartlyDone,
		what:  fmt.Sprintf("sent %s, then stopped", events(l.answer.Sent)),
		seen:  append([]string{fmt.Sprintf("%s (%s)", why.what, why.code)}, why.seen...),
		cause: err,
	}
}

func (l *lineSender) add(ctx context.Context, number int, line []byte) error {
	event, err := l.command.event(bytes.Clone(line), l.call)
	if err != nil {
		refused := failureOf(err, nil)
		refused.what = fmt.Sprintf("line %d: %s", number, refused.what)
		return errors.Join(l.flush(ctx), refused)
	}
	if l.bytes += len(line); len(l.batch) > 0 && (len(l.batch) == batchEventsMax || l.bytes > batchBytesMax) {
		if err := l.flush(ctx); err != nil {
			return err
		}
		l.bytes = len(line)
	}
	l.batch, l.numbers = append(l.batch, event), append(l.numbers, number)
	return nil
}

// flush sends the batch and waits for what became of it.
func (l *lineSender) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(l.call.Timeout))
	defer cancel()
	results, err := l.producer.PublishBatch(ctx, l.batch)
	var first *failure
	for i, result := range results {
		switch {
		case result.Err == nil:
			l.answer.Sent++
		case first == nil: // err is this one
			first = failureOf(l.command.tooLarge(result.Err), nil)
			first.what = fmt.Sprintf("line %d: %s", l.numbers[i], first.what)
			continue
		default:
			continue
		}
		for _, name := range result.Receipt.Matched {
			l.answer.Matched[name]++
		}
		if len(result.Receipt.Matched) == 0 {
			l.answer.Unmatched++
		}
	}
	l.batch, l.numbers, l.bytes = l.batch[:0], l.numbers[:0], 0
	if first != nil {
		return first
	}
	return err
}

func (l *lineSender) write() {
	if l.call.out.structured() {
		l.call.out.object(l.answer)
		return
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(l.answer.Matched)) {
		parts = append(parts, fmt.Sprintf("%s %s", name, thousands(int64(l.answer.Matched[name]))))
	}
	if l.answer.Unmatched > 0 {
		parts = append(parts, "none "+thousands(int64(l.answer.Unmatched)))
	}
	line := fmt.Sprintf("sent %s to %s", events(l.answer.Sent), l.answer.Topic)
	if len(parts) > 0 {
		line += "  matched: " + strings.Join(parts, ", ")
	}
	l.call.out.linef("%s", line)
}
