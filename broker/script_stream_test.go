package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// consumer is a consuming stream of a script. What comes is sorted by its kind, since a Settled and a delivery may come in either order.
type consumer struct {
	stream freshetv1.ConsumeService_ConsumeClient
	cancel context.CancelFunc

	attached   chan *freshetv1.Attached
	deliveries chan *freshetv1.Delivery
	settled    chan *freshetv1.Settled
	hints      chan bool
	credits    chan uint64
	// ended is closed with err set.
	ended chan struct{}
	err   error
}

// consumed is more than any script gets of one kind without asking for it.
const consumed = 1_000

func (s *story) open(name string) *consumer {
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	stream, err := s.consume.Consume(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &consumer{
		stream: stream, cancel: cancel, attached: make(chan *freshetv1.Attached, 1), deliveries: make(chan *freshetv1.Delivery, consumed),
		settled: make(chan *freshetv1.Settled, consumed), hints: make(chan bool, consumed), credits: make(chan uint64, consumed), ended: make(chan struct{}),
	}
	s.streams[name] = c
	go c.read()
	return c
}

func (c *consumer) read() {
	defer close(c.ended)
	for {
		m, err := c.stream.Recv()
		if err != nil {
			c.err = err
			return
		}
		switch m := m.GetResponse().(type) {
		case *freshetv1.ConsumeResponse_Attached:
			c.attached <- m.Attached
		case *freshetv1.ConsumeResponse_Delivery:
			c.deliveries <- m.Delivery
		case *freshetv1.ConsumeResponse_Settled:
			c.settled <- m.Settled
		case *freshetv1.ConsumeResponse_Hint:
			c.hints <- m.Hint.GetReady()
		case *freshetv1.ConsumeResponse_Credited:
			c.credits <- m.Credited.GetCredits()
		}
	}
}

// await waits for the next of a kind, or the stream's end.
func await[T any](s *story, c *consumer, from chan T) (one T, err error) {
	select {
	case one = <-from:
		return one, nil
	default:
	}
	select {
	case one = <-from:
		return one, nil
	case <-c.ended:
		return one, c.err
	case <-time.After(patience):
		return one, errors.New("nothing came")
	}
}

// stream are the steps of a consuming stream.
func (s *story) stream(a arguments) (string, error) {
	name := a.word(0)
	if a.Cmd == "attach" {
		return s.attach(a, s.open(name))
	}
	c := s.streams[name]
	if c == nil {
		s.t.Fatalf("%s: no stream %q", a.Pos, name)
	}
	switch a.Cmd {
	case "delivery":
		d, err := await(s, c, c.deliveries)
		if err != nil {
			return "", err
		}
		head := fmt.Sprintf("delivery %d, visibility %v, stamp %d\n", d.GetNumber(), time.Duration(d.GetVisibilityMs())*time.Millisecond, d.GetStampNs())
		return head + s.showDelivery(d, nil), nil
	case "hint":
		ready, err := await(s, c, c.hints)
		return fmt.Sprintf("ready: %t", ready), err
	case "credited":
		credits, err := await(s, c, c.credits)
		return fmt.Sprintf("%d in all", credits), err
	case "credit":
		s.send(c, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Credit{Credit: &freshetv1.Credit{
			Events: uint32(a.number("events")), Bytes: a.number("bytes"),
		}}})
		return "sent", nil
	case "ping":
		s.send(c, &freshetv1.ConsumeRequest{StampNs: a.number("stamp")})
		return "sent", nil
	case "settle":
		return s.settle(a, c)
	case "close":
		s.send(c, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Close{Close: &freshetv1.Close{
			Received: a.number("received"), Unstarted: s.leased(a.text("unstarted")),
		}}})
	case "break":
		c.cancel()
	}
	select {
	case <-c.ended:
		return "", c.err
	case <-time.After(patience):
		return "", errors.New("the stream goes on")
	}
}

func (s *story) send(c *consumer, m *freshetv1.ConsumeRequest) {
	s.t.Helper()
	if err := c.stream.Send(m); err != nil && !errors.Is(err, io.EOF) { // EOF: the stream has ended, and reading says why
		s.t.Fatal(err)
	}
}

func (s *story) attach(a arguments, c *consumer) (string, error) {
	topic, sub, member := a.place(1)
	attach := &freshetv1.Attach{
		Topic: topic, Subscription: sub, Member: member, Session: make([]byte, 16), Received: a.number("received"),
		Credit: &freshetv1.Credit{Events: uint32(a.number("credit")), Bytes: a.number("bytes")}, VisibilityMs: a.ms("visibility"),
	}
	copy(attach.GetSession(), a.text("session"))
	s.send(c, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: attach}, StampNs: a.number("stamp")})
	attached, err := await(s, c, c.attached)
	if err != nil {
		return "", err
	}
	out := fmt.Sprintf("attached to a %s, visibility %v, settled %d, resumed %t",
		strings.ToLower(strings.TrimPrefix(attached.GetKind().String(), "SUBSCRIPTION_KIND_")),
		time.Duration(attached.GetVisibilityMs())*time.Millisecond, attached.GetSettled(), attached.GetResumed())
	if held := showLeased(attached.GetHeld()); held != "" {
		out += ", holds " + held
	}
	return out, nil
}

// settle sends what the input's lines say, and waits for the answer.
func (s *story) settle(a arguments, c *consumer) (string, error) {
	sequence, err := strconv.ParseUint(a.word(1), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	m := &freshetv1.Settle{Sequence: sequence, Received: a.number("received")}
	for line := range strings.SplitSeq(strings.TrimSpace(a.Input), "\n") {
		s.decision(m, strings.Fields(line))
	}
	s.send(c, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Settle{Settle: m}})
	settled, err := await(s, c, c.settled)
	switch {
	case err != nil:
		return "", err
	case settled.GetError() != nil:
		return fmt.Sprintf("settle %d refused: %s", settled.GetSequence(), showWireError(settled.GetError())), nil
	case len(settled.GetLost()) > 0:
		return fmt.Sprintf("settled %d, lost %s", settled.GetSequence(), showLeased(settled.GetLost())), nil
	}
	return fmt.Sprintf("settled %d", settled.GetSequence()), nil
}

// decision adds one line: verb, what of, and options.
func (s *story) decision(m *freshetv1.Settle, words []string) {
	if len(words) == 0 {
		return
	}
	opts := map[string]string{}
	var of string
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			opts[k] = v
		} else if w == "unstarted" {
			opts[w] = w
		} else {
			of = w
		}
	}
	ms := func(key string) uint32 {
		if opts[key] == "" {
			return 0
		}
		d, err := time.ParseDuration(opts[key])
		if err != nil {
			s.t.Fatal(err)
		}
		return uint32(d.Milliseconds())
	}
	leased := s.leased(of)
	switch words[0] {
	case "ack":
		m.Acks = append(m.Acks, leased...)
	case "extend":
		m.Extends = append(m.Extends, &freshetv1.Extend{Leased: leased, VisibilityMs: ms("by")})
	case "release":
		m.Releases = append(m.Releases, &freshetv1.Release{Leased: leased[0], AfterMs: ms("after"), Reason: opts["reason"], Unstarted: opts["unstarted"] != ""})
	case "reject":
		m.Rejects = append(m.Rejects, &freshetv1.Reject{Leased: leased[0], Reason: opts["reason"]})
	default:
		s.t.Fatalf("unknown verb %q", words[0])
	}
}

// leased reads "1", "1:5" or "1:5-7".
func (s *story) leased(text string) []*freshetv1.Leased {
	if text == "" {
		return nil
	}
	delivery, offsets, some := strings.Cut(text, ":")
	number := func(t string) uint64 {
		n, err := strconv.ParseUint(t, 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		return n
	}
	l := &freshetv1.Leased{Delivery: number(delivery)}
	if some {
		first, last, more := strings.Cut(offsets, "-")
		if !more {
			last = first
		}
		l.Runs = []*freshetv1.OffsetRun{{First: number(first), Count: uint32(number(last) - number(first) + 1)}}
	}
	return []*freshetv1.Leased{l}
}

func showLeased(list []*freshetv1.Leased) string {
	var out []string
	for _, l := range list {
		runs := []string{}
		for _, r := range l.GetRuns() {
			if r.GetCount() == 1 {
				runs = append(runs, strconv.FormatUint(r.GetFirst(), 10))
			} else {
				runs = append(runs, fmt.Sprintf("%d-%d", r.GetFirst(), r.GetFirst()+uint64(r.GetCount())-1))
			}
		}
		out = append(out, fmt.Sprintf("%d:%s", l.GetDelivery(), strings.Join(runs, ",")))
	}
	return strings.Join(out, " ")
}
