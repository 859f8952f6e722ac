package demo

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// TestView draws runs at a moment:
//
//	progress elapsed=D phase=P planned=N published=N rates=(P,D) nodes=(NAME:STATE:KILLS[:LEADS[:STORY]],...)
//	  lines: subscription [members] matched delivered acked rejected pattern
//	lines width=N [colour]      the live view; escapes are written as ^[
//	log                         the line for a log
func TestView(t *testing.T) {
	datadriven.Walk(t, "testdata/view", func(t *testing.T, path string) {
		var p Progress
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "progress":
				p = scanProgress(t, d)
				return ""
			case "lines":
				v := view{colour: d.HasArg("colour")}
				d.ScanArgs(t, "width", &v.width)
				lines := v.lines(p)
				for _, line := range lines {
					if n := utf8.RuneCountInString(line); !v.colour && n > max(v.width, viewWidthMin) {
						t.Errorf("%s: %d columns in a view of %d: %s", d.Pos, n, v.width, line)
					}
				}
				return strings.ReplaceAll(strings.Join(lines, "\n"), "\x1b", "^[") + "\n"
			case "log":
				return progressLine(p) + "\n"
			}
			d.Fatalf(t, "no such directive: %s", d.Cmd)
			return ""
		})
	})
}

func scanProgress(t *testing.T, d *datadriven.TestData) Progress {
	var p Progress
	var elapsed string
	d.ScanArgs(t, "elapsed", &elapsed)
	var err error
	if p.Elapsed, err = time.ParseDuration(elapsed); err != nil {
		d.Fatalf(t, "%v", err)
	}
	d.ScanArgs(t, "phase", &p.Phase)
	d.ScanArgs(t, "planned", &p.Planned)
	d.ScanArgs(t, "published", &p.Published)
	var published, delivered int
	d.ScanArgs(t, "rates", &published, &delivered)
	p.PublishedPerSecond, p.DeliveredPerSecond = float64(published), float64(delivered)
	for _, arg := range d.CmdArgs {
		if arg.Key != "nodes" {
			continue
		}
		for _, value := range arg.Vals {
			var n NodeProgress
			parts := strings.Split(value, ":")
			n.Name = parts[0]
			if _, err := fmt.Sscan(strings.Join(parts[1:3], " "), &n.State, &n.Kills); err != nil {
				d.Fatalf(t, "node %s: %v", value, err)
			}
			if len(parts) > 3 && parts[3] != "" {
				for lead := range strings.SplitSeq(parts[3], "+") {
					number, err := strconv.ParseUint(lead, 10, 32)
					if err != nil {
						d.Fatalf(t, "node %s: %v", value, err)
					}
					n.Leads = append(n.Leads, uint32(number))
				}
			}
			if len(parts) > 4 {
				n.Story = strings.ReplaceAll(parts[4], "_", " ")
			}
			p.Nodes = append(p.Nodes, n)
		}
	}
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		row := Row{Subscription: Subscription{Name: words[0]}}
		if strings.Contains(words[1], "/") {
			row.Members = strings.Split(words[1], "/")
			words = slices.Delete(words, 1, 2)
		}
		if _, err := fmt.Sscan(strings.Join(words[1:5], " "), &row.Matched, &row.Delivered, &row.Acked, &row.Rejected); err != nil {
			d.Fatalf(t, "%s: %v", line, err)
		}
		row.Pattern = strings.Join(words[5:], " ")
		row.Open = row.Matched - row.Acked - row.Rejected
		row.PerSecond = float64(row.Delivered) / 10
		p.Rows = append(p.Rows, row)
		p.add(row.Counts)
	}
	return p
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		done, all int
		want      string
	}{
		{0, 0, "░░░░"}, {0, 9, "░░░░"}, {1, 32, "▏░░░"}, {4, 32, "▌░░░"}, {7, 32, "▉░░░"}, {8, 32, "█░░░"}, {31, 32, "███▉"}, {32, 32, "████"}, {99, 32, "████"},
	} {
		if got := bar(c.done, c.all, 4); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.done, c.all, got, c.want)
		}
	}
}

// terminal is a small one: it knows the control sequences that the painter uses,
// and keeps what stands on it.
type terminal struct {
	t           *testing.T
	lines       [][]rune
	row, column int
	hidden      bool
}

func (x *terminal) Write(p []byte) (int, error) {
	for text := []rune(string(p)); len(text) > 0; {
		for len(x.lines) <= x.row {
			x.lines = append(x.lines, nil)
		}
		switch line := x.lines[x.row]; {
		case text[0] == '\x1b':
			end := 2 + slices.IndexFunc(text[2:], func(r rune) bool { return r >= '@' && r <= '~' })
			x.control(string(text[2:end]), text[end])
			text = text[end:]
		case text[0] == '\n':
			x.row, x.column = x.row+1, 0
		case x.column < len(line):
			line[x.column] = text[0]
			x.column++
		default:
			x.lines[x.row] = append(line, text[0])
			x.column++
		}
		text = text[1:]
	}
	return len(p), nil
}

func (x *terminal) control(argument string, verb rune) {
	switch argument + string(verb) {
	case "?25l":
		x.hidden = true
	case "?25h":
		x.hidden = false
	case "?2026h", "?2026l":
	case "K":
		x.lines[x.row] = x.lines[x.row][:x.column]
	case "J":
		x.lines = x.lines[:x.row]
	default:
		var up int
		if _, err := fmt.Sscan(argument, &up); err != nil || verb != 'F' || up > x.row {
			x.t.Fatalf("row %d: control sequence %q %c", x.row, argument, verb)
		}
		x.row, x.column = x.row-up, 0
	}
}

// has reports whether a row holds a text.
func (x *terminal) has(row int, text string) bool {
	return strings.Contains(string(x.lines[row]), text)
}

// TestPainterRedrawsInPlace draws twice and takes it away.
func TestPainterRedrawsInPlace(t *testing.T) {
	x := &terminal{t: t, lines: [][]rune{[]rune("$ freshet demo")}, row: 1}
	rows := 40
	p := &painter{screen: Screen{Writer: x, Size: func() (int, int) { return 100, rows }}}
	progress := Progress{Phase: "publishing", Planned: 10, Rows: make([]Row, 12)}
	p.show(progress)
	if !x.hidden || !x.has(1, "publishing") {
		t.Fatalf("hidden %v, %q", x.hidden, x.lines)
	}
	before := len(x.lines)
	progress.Phase = "draining"
	p.show(progress)
	if len(x.lines) != before || !x.has(1, "draining") || x.has(1, "publishing") || !x.has(0, "$ freshet demo") {
		t.Fatalf("%d lines, then %q", before, x.lines)
	}
	rows = 10 // somebody made the window smaller
	p.show(progress)
	if p.drawn != rows-1 {
		t.Fatalf("%d lines on a terminal of %d: one has to be left for the cursor", p.drawn, rows)
	}
	p.clear()
	below := slices.ContainsFunc(x.lines[1:], func(line []rune) bool { return len(line) > 0 })
	if x.hidden || below || x.row != 1 {
		t.Fatalf("left behind: hidden %v, row %d, %q", x.hidden, x.row, x.lines)
	}
}

// brokenPipe is a screen that has gone.
type brokenPipe struct{ writes int }

func (b *brokenPipe) Write([]byte) (int, error) {
	b.writes++
	return 0, io.ErrClosedPipe
}

func TestPainterGivesUpOnABrokenScreen(t *testing.T) {
	gone := &brokenPipe{}
	p := &painter{screen: Screen{Writer: gone}}
	for range 3 {
		p.show(Progress{})
	}
	p.clear()
	if gone.writes != 1 {
		t.Errorf("%d writes to a screen that was gone at the first", gone.writes)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	if rates := m.read(0, 0, 0); rates[0] != 0 || rates[1] != 0 {
		t.Errorf("the first reading makes %v a second", rates)
	}
	var rates []float64
	for tick := 1; tick <= 20; tick++ { // four times a second, 100 and 50 a tick
		rates = m.read(time.Duration(tick)*250*time.Millisecond, 100*tick, 50*tick)
	}
	if rates[0] != 400 || rates[1] != 200 {
		t.Errorf("%v a second, want 400 and 200", rates)
	}
	if len(m.readings) > 6 {
		t.Errorf("%d readings are kept for a second", len(m.readings))
	}
	if rates = m.read(10*time.Second, 2000, 1000); rates[0] != 0 {
		t.Errorf("%v a second after a second of nothing", rates[0])
	}
}
