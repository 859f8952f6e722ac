package demo

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// The live view, drawn from a Progress alone:
//
//	freshet demo    3.3 s  draining                          n1 running, killed -9 once
//	published  ██████████████████████████████████     30,000 of 30,000           401/s
//	delivered  ██████████▋░░░░░░░░░░░░░░░░░░░░░░░     21,624 of 74,127         9,831/s
//
//	             pattern              matched delivered a second     acked in flight
//	  billing    {"source":["shop.…     7,179     1,254      410     1,181        72 █▋░░░░░░░░
//	≡ dashboard  {"detail":{"amoun…     1,774     1,774        0     1,765         3 █████████▉
//
//	to come 52,503   unexpected 0   after ack 0   redelivered 354   rejected 75
//
// With several nodes each has a line below the first:
//
//	n1   running    leads partitions 0, 3
//	n2   killed -9                         killed when it led partition 1: led by others after 0.81 s
//	n3   running    leads partitions 1, 2
//
// ≡ marks a fan-out, whose counts are the sums over its members. All that is
// delivered is so far; matched grows as publishes are confirmed.

// view draws for a terminal of a width, in columns.
type view struct {
	width int
	// colour allows colours (SGR sequences).
	colour bool
}

// Bounds of the layout.
const (
	viewWidthMin = 40
	rowBarWidth  = 10
	countWidth   = 9
	// patternWidthMin is the least of a pattern that says anything.
	patternWidthMin = 12
	rateWidth       = 8
)

// lines draws. No line is wider than the view.
func (v view) lines(p Progress) []string {
	width := max(v.width, viewWidthMin)
	lines := append([]string{v.title(p, width)}, v.nodes(p, width)...)
	lines = append(lines,
		v.gauge("published", p.Published, p.Planned, p.PublishedPerSecond, width),
		v.gauge("delivered", p.Delivered, p.Matched, p.DeliveredPerSecond, width),
		"")
	lines = append(lines, v.rows(p.Rows, width)...)
	return append(lines, "", v.verdicts(p, width))
}

// title says how far the run is, and behind that how its only node is; several have
// lines of their own.
func (v view) title(p Progress, width int) string {
	left := fmt.Sprintf("freshet demo  %5.1f s  %s", p.Elapsed.Seconds(), p.Phase)
	if len(p.Nodes) != 1 {
		return shortened(left, width)
	}
	n := p.Nodes[0]
	right := n.Name + " " + n.State.String()
	if n.Kills > 0 && n.State == cluster.Running {
		right += ", killed -9 " + times(n.Kills)
	}
	gap := width - len(left) - len(right)
	if gap < 2 {
		left, gap = shortened(left, max(0, width-len(right)-2)), 2
	}
	return left + strings.Repeat(" ", gap) + v.paint(stateColour(n.State), shortened(right, width))
}

// nodes are a line each: how it is, what it leads, and what became of it.
func (v view) nodes(p Progress, width int) []string {
	if len(p.Nodes) < 2 {
		return nil
	}
	leads := make([]string, len(p.Nodes))
	widest := 0
	for i, n := range p.Nodes {
		leads[i] = "leads nothing"
		if len(n.Leads) > 0 {
			leads[i] = "leads " + partitionsText(n.Leads)
		}
		if n.State != cluster.Running {
			leads[i] = ""
		}
		widest = max(widest, len(leads[i]))
	}
	lines := make([]string, 0, len(p.Nodes)+1)
	for i, n := range p.Nodes {
		state := fmt.Sprintf("%-4s %s ", n.Name, pad(n.State.String(), len("killed -9")))
		rest := shortened(" "+pad(leads[i], widest)+"  "+n.Story, max(0, width-len(state)))
		lines = append(lines, v.paint(stateColour(n.State), state)+strings.TrimRight(rest, " "))
	}
	return append(lines, "")
}

func stateColour(s cluster.State) string {
	if s == cluster.Running {
		return green
	}
	return red
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func (v view) gauge(name string, done, all int, rate float64, width int) string {
	numbers := fmt.Sprintf("  %9s of %-9s  %9s/s", thousands(done), thousands(all), thousands(int(rate)))
	label := fmt.Sprintf("%-10s ", name)
	room := width - len(label) - len(numbers)
	if room < 4 {
		return shortened(label+numbers, width)
	}
	return label + v.paint(cyan, bar(done, all, room)) + numbers
}

// rows is the table of subscriptions. The pattern gives way first, then the bar.
func (v view) rows(rows []Row, width int) []string {
	name := len("subscription")
	for _, r := range rows {
		name = max(name, 2+utf8.RuneCountInString(r.Name))
	}
	name = min(name, 24)
	counts := 4*(1+countWidth) + 1 + rateWidth
	patternWidth, barWidth := width-name-1-counts-1-rowBarWidth, rowBarWidth
	if patternWidth < patternWidthMin { // its room is the bar's
		patternWidth, barWidth = 0, width-name-counts-1
	}
	if barWidth < rowBarWidth {
		barWidth = 0
	}
	heading := pad("", name)
	if patternWidth > 0 {
		heading += " " + pad("pattern", patternWidth)
	}
	heading += fmt.Sprintf(" %*s %*s %*s %*s %*s", countWidth, "matched", countWidth, "delivered", rateWidth, "a second",
		countWidth, "acked", countWidth, "in flight")
	lines := []string{v.paint(faint, shortened(heading, width))}
	for _, r := range rows {
		lines = append(lines, v.row(r, name, patternWidth, barWidth, width))
	}
	return lines
}

func (v view) row(r Row, name, patternWidth, barWidth, width int) string {
	mark := "  "
	if r.Fanout() {
		mark = "≡ "
	}
	line := pad(shortened(mark+r.Name, name), name)
	if patternWidth > 0 {
		text := r.Pattern
		if text == "" {
			text = "every event"
		}
		line += " " + pad(shortened(text, patternWidth), patternWidth)
	}
	line += fmt.Sprintf(" %*s %*s %*s %*s %*s", countWidth, thousands(r.Matched), countWidth, thousands(r.Delivered),
		rateWidth, thousands(int(r.PerSecond)), countWidth, thousands(r.Acked), countWidth, thousands(r.InFlight()))
	line = shortened(line, width)
	if barWidth > 0 {
		line += " " + v.paint(cyan, bar(r.Acked+r.Rejected, r.Matched, barWidth))
	}
	return line
}

func (v view) verdicts(p Progress, width int) string {
	text := fmt.Sprintf("to come %s   unexpected %d   after ack %d   redelivered %s   rejected %d",
		thousands(p.Lost()), p.Unexpected-p.Early, p.AfterAck, thousands(p.Redelivered), p.Rejected)
	text = shortened(text, width)
	if p.Unexpected > p.Early || p.AfterAck > 0 {
		return v.paint(red, text)
	}
	return text
}

// bar draws done of all as a bar of a width, to an eighth of a column.
func bar(done, all, width int) string {
	eighths := 0
	if all > 0 {
		eighths = min(8*width, 8*width*done/all)
	}
	full, part := eighths/8, eighths%8
	text := strings.Repeat("█", full)
	if part > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[part])
		full++
	}
	return text + strings.Repeat("░", width-full)
}

// Colours, by SGR number.
const (
	faint = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

func (v view) paint(colour, text string) string {
	if !v.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// pad fills a text with spaces to a width.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// shortened cuts a text to a width, with an ellipsis for what is gone.
func shortened(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

// thousands writes 54600 as 54,600.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
