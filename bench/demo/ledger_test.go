package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestLedger tells ledgers stories, and looks at what they make of them:
//
//	new readers=N                          an empty ledger
//	tell                                   lines below, in this order:
//	  sent EVENT to=READERS [bytes=TEXT]   bytes are the event's number by default
//	  stored EVENT at=OFFSET
//	  unknown EVENT
//	  arrived READER at=OFFSET bytes=TEXT
//	  acked|rejected|dead READER at=OFFSET
//	figures, findings                      what it comes to
func TestLedger(t *testing.T) {
	datadriven.Walk(t, "testdata/ledger", func(t *testing.T, path string) {
		var ledger *Ledger
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				var readers int
				d.ScanArgs(t, "readers", &readers)
				var err error
				if ledger, err = NewLedger(readers); err != nil {
					return err.Error() + "\n"
				}
				return ""
			case "tell":
				for line := range strings.Lines(d.Input) {
					if err := tell(ledger, line); err != nil {
						d.Fatalf(t, "%q: %v", line, err)
					}
				}
				return ""
			case "figures":
				return figuresText(ledger.Figures())
			case "findings":
				limit := 10
				d.MaybeScanArgs(t, "limit", &limit)
				var b strings.Builder
				for _, f := range ledger.Findings(limit) {
					fmt.Fprintf(&b, "event %d reader %d %s: %s\n", f.Event, f.Reader, f.Place, f.Fault)
				}
				return b.String()
			}
			d.Fatalf(t, "no such directive: %s", d.Cmd)
			return ""
		})
	})
}

func tell(l *Ledger, line string) error {
	var who, offset int
	var text, to string
	words := strings.Fields(line)
	if _, err := fmt.Sscan(words[1], &who); err != nil {
		return err
	}
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "at":
			if _, err := fmt.Sscan(value, &offset); err != nil {
				return err
			}
		case "bytes":
			text = value
		case "to":
			to = value
		}
	}
	place := Place{Offset: uint64(offset)}
	switch words[0] {
	case "sent":
		var wanted ReaderSet
		for r := range strings.SplitSeq(to, ",") {
			var reader Reader
			if _, err := fmt.Sscan(r, &reader); err != nil {
				return err
			}
			wanted = wanted.With(reader)
		}
		if text == "" {
			text = words[1]
		}
		l.Sent(who, wanted, DigestOf([]byte(text)))
	case "stored":
		l.Stored(who, place)
	case "unknown":
		l.Unknown(who)
	case "arrived":
		l.Arrived(Reader(who), place, DigestOf([]byte(text)))
	case "acked":
		l.Acked(Reader(who), place)
	case "rejected":
		l.Rejected(Reader(who), place)
	case "dead":
		l.Dead(Reader(who), place)
	default:
		return fmt.Errorf("no such word: %s", words[0])
	}
	return nil
}

func figuresText(f Figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "published %d, contradictions %d\n", f.Published, f.Contradictions)
	row := func(name string, c Counts) {
		fmt.Fprintf(&b, "%s: matched %d delivered %d acked %d rejected %d redelivered %d dead_lettered %d | lost %d unexpected %d after_ack %d | in flight %d\n",
			name, c.Matched, c.Delivered, c.Acked, c.Rejected, c.Redelivered, c.DeadLettered, c.Lost(), c.Unexpected, c.AfterAck, c.InFlight())
	}
	for i, c := range f.Readers {
		row(fmt.Sprintf("reader %d", i), c)
	}
	row("all", f.Counts)
	return b.String()
}

// TestLedgerNoticesEveryDefect takes runs in which all went well, spoils one
// thing at a time, and wants exactly the figure that names it to rise.
func TestLedgerNoticesEveryDefect(t *testing.T) {
	const events, readers = 200, 5
	for name, c := range map[string]struct {
		spoil func(l *Ledger, event int, r Reader, stranger Reader)
		want  func(f Figures) int
		fault Fault
	}{
		"an arrival goes missing": {
			spoil: nil, // the pair is left out when the run is told
			want:  func(f Figures) int { return f.Lost() }, fault: FaultLost,
		},
		"an event comes to a stranger": {
			spoil: func(l *Ledger, event int, _, stranger Reader) {
				l.Arrived(stranger, placeOf(event), digestOf(event))
			},
			want: func(f Figures) int { return f.Unexpected }, fault: FaultUnwanted,
		},
		"its bytes differ": {
			spoil: func(l *Ledger, event int, r, _ Reader) { l.Arrived(r, placeOf(event), digestOf(-1)) },
			want:  func(f Figures) int { return f.Unexpected }, fault: FaultBytes,
		},
		"it is at a place where nothing was published": {
			spoil: func(l *Ledger, event int, r, _ Reader) { l.Arrived(r, placeOf(events+event), digestOf(event)) },
			want:  func(f Figures) int { return f.Unexpected }, fault: FaultUnpublished,
		},
		"it is on another partition": {
			spoil: func(l *Ledger, event int, r, _ Reader) {
				l.Arrived(r, Place{Partition: 7, Offset: placeOf(event).Offset}, digestOf(event))
			},
			want: func(f Figures) int { return f.Unexpected }, fault: FaultUnpublished,
		},
		"it comes again after its ack": {
			spoil: func(l *Ledger, event int, r, _ Reader) { l.Arrived(r, placeOf(event), digestOf(event)) },
			want:  func(f Figures) int { return f.AfterAck }, fault: FaultAfterAck,
		},
		"it is acked and a dead letter": {
			spoil: func(l *Ledger, event int, r, _ Reader) { l.Dead(r, placeOf(event)) },
			want:  func(f Figures) int { return f.Contradictions }, fault: FaultAckedDead,
		},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			spoiled := random.IntN(events)
			l, err := NewLedger(readers)
			if err != nil {
				t.Fatal(err)
			}
			r, stranger := tellGoodRun(l, random, events, readers, spoiled, c.spoil == nil)
			if c.spoil == nil {
				stranger = -1
			} else {
				c.spoil(l, spoiled, r, stranger)
			}
			f := l.Figures()
			if got := f.Lost() + f.Unexpected + f.AfterAck + f.Contradictions; got != 1 || c.want(f) != 1 {
				t.Errorf("seed %d: event %d, reader %d, stranger %d: want one defect, got\n%s", seed, spoiled, r, stranger, figuresText(f))
			}
			found := l.Findings(10)
			if len(found) != 1 || found[0].Fault != c.fault {
				t.Errorf("seed %d: found %v, want one that %s", seed, found, c.fault)
			}
		})
	}
}

func placeOf(event int) Place   { return Place{Offset: uint64(3 * event)} }
func digestOf(event int) Digest { return DigestOf(fmt.Appendf(nil, "event %d", event)) }

// tellGoodRun tells of a run in any order that can happen. It returns a reader
// of the chosen event, and one that doesn't want it. Without that pair's arrival,
// the run is one in which it got lost.
func tellGoodRun(l *Ledger, random *rand.Rand, events, readers, chosen int, without bool) (wants, stranger Reader) {
	var steps [][]func() // of each event, in order; events come in any order
	for event := range events {
		var wanted ReaderSet
		for r := range Reader(readers) {
			if random.IntN(2) == 0 {
				wanted = wanted.With(r)
			}
		}
		if event == chosen { // somebody wants it, and somebody doesn't
			wants = Reader(random.IntN(readers))
			stranger = (wants + 1) % Reader(readers)
			wanted = wanted.With(wants) &^ ReaderSet(0).With(stranger)
		}
		l.Sent(event, wanted, digestOf(event))
		steps = append(steps, []func(){func() { l.Stored(event, placeOf(event)) }})
		for r := range Reader(readers) {
			if !wanted.Has(r) || without && event == chosen && r == wants {
				continue
			}
			var own []func()
			for range 1 + random.IntN(3) {
				own = append(own, func() { l.Arrived(r, placeOf(event), digestOf(event)) })
			}
			steps = append(steps, append(own, func() { l.Acked(r, placeOf(event)) }))
		}
	}
	for len(steps) > 0 {
		i := random.IntN(len(steps))
		steps[i][0]()
		if steps[i] = steps[i][1:]; len(steps[i]) == 0 {
			steps = slices.Delete(steps, i, i+1)
		}
	}
	return wants, stranger
}

// BenchmarkFigures is what a redraw of the live view costs: 54,600 events of
// which each reaches four readers.
func BenchmarkFigures(b *testing.B) {
	l, err := NewLedger(16)
	if err != nil {
		b.Fatal(err)
	}
	for event := range 54_600 {
		l.Sent(event, 0b1111, digestOf(event))
		l.Stored(event, placeOf(event))
		for r := range Reader(4) {
			l.Arrived(r, placeOf(event), digestOf(event))
			l.Acked(r, placeOf(event))
		}
	}
	b.ResetTimer()
	for b.Loop() {
		if f := l.Figures(); f.Lost() != 0 {
			b.Fatal("lost")
		}
	}
}
