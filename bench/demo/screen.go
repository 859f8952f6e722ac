package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Screen is where a run shows how it goes.
type Screen struct {
	io.Writer
	// Size returns columns and rows of the terminal; nil where there is none.
	// Then a line is written every few seconds.
	Size func() (columns, rows int)
	// Colour allows colours on a terminal.
	Colour bool
}

// Intervals between two drawings, and between two lines where there is no
// terminal. The first is short enough to look alive and costs 2 % of a core.
const (
	redrawInterval = 250 * time.Millisecond
	lineInterval   = 2 * time.Second
)

// interval is how often show is to be called.
func (s Screen) interval() time.Duration {
	if s.Size == nil {
		return lineInterval
	}
	return redrawInterval
}

// painter draws on a screen. A failed write ends the drawing and nothing else:
// the answer of a run is not what it looked like.
type painter struct {
	screen Screen
	drawn  int // lines that stand on the terminal and will be drawn over
	broken bool
}

// Control sequences (ECMA-48; 2026 is synchronized output, which terminals that
// don't know it ignore).
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	beginFrame = "\x1b[?2026h"
	endFrame   = "\x1b[?2026l"
	eraseLine  = "\x1b[K"
	eraseBelow = "\x1b[J"
)

// show draws the progress over the last drawing. A drawing is one write, each
// line is written over and then cleared to its end, so nothing flickers.
func (p *painter) show(progress Progress) {
	if p.broken {
		return
	}
	if p.screen.Size == nil {
		p.write(progressLine(progress) + "\n")
		return
	}
	columns, rows := p.screen.Size()
	lines := view{width: columns - 1, colour: p.screen.Colour}.lines(progress)
	if len(lines) >= rows { // the cursor can't go up beyond the top
		lines = lines[:max(1, rows-1)]
	}
	var frame strings.Builder
	frame.WriteString(beginFrame + hideCursor + p.home())
	for _, line := range lines {
		frame.WriteString(line + eraseLine + "\n")
	}
	frame.WriteString(eraseBelow + endFrame)
	p.drawn = len(lines)
	p.write(frame.String())
}

// home moves to where the last drawing began.
func (p *painter) home() string {
	if p.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dF", p.drawn)
}

// clear takes the drawing away and gives the cursor back. What follows stands in
// its place.
func (p *painter) clear() {
	if p.screen.Size == nil || p.broken {
		return
	}
	p.write(p.home() + eraseBelow + showCursor)
	p.drawn = 0
}

func (p *painter) write(text string) {
	if _, err := io.WriteString(p.screen, text); err != nil {
		p.broken = true
	}
}

// progressLine is the progress for a log.
func progressLine(p Progress) string {
	var nodes []string
	for _, n := range p.Nodes {
		one := n.Name + " " + n.State.String()
		if len(p.Nodes) > 1 && len(n.Leads) > 0 {
			one += " leads " + partitionsText(n.Leads)
		}
		nodes = append(nodes, one)
	}
	return fmt.Sprintf("%5.1f s  %s: %s of %s published (%s/s), %s of %s delivered (%s/s), %s acked; %s",
		p.Elapsed.Seconds(), p.Phase, thousands(p.Published), thousands(p.Planned), thousands(int(p.PublishedPerSecond)),
		thousands(p.Delivered), thousands(p.Matched), thousands(int(p.DeliveredPerSecond)), thousands(p.Acked), strings.Join(nodes, ", "))
}
