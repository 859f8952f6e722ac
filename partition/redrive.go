package partition

// redrive makes dead letters ready again, in the order of their offsets. Their attempts start anew: whoever asks has seen to it that
// they can succeed now. What isn't a dead letter (any more) is passed over, so the same command twice does it once.
//
// One entry looks at a bounded number of letters. More says that there may be others, from Next on.
func (m *Machine) redrive(sec redriveSection) Result {
	c := m.find(sec.Cursor)
	if c == nil {
		return Result{Refused: RefusedSubscription}
	}
	p := picking{sec: &sec, looksMax: redriveLooksMax}
	p.pick(c)
	for _, d := range p.picked {
		c.dead.Delete(d)
		c.deadSum -= d.sum()
		c.deadPieces.mark(uint64(d.offset))
		m.unhinder(c, d.offset)
		m.add(c, sizedRun{Run: Run{d.offset, 1}, Classes: []sizeClass{d.size}, Keys: []uint64{d.key}})
		c.subscription.stream.pin(c, d.offset)
	}
	m.touch(c)
	return Result{Redriven: uint32(len(p.picked)), Next: p.next, More: p.more}
}

// picking chooses dead letters, up to how many are wanted and how many may be looked at.
type picking struct {
	sec      *redriveSection
	looksMax int

	picked []deadLetter
	looked int
	// next is the first that wasn't looked at, if there is more.
	next Offset
	more bool
}

func (p *picking) pick(c *cursor) {
	if len(p.sec.Runs) == 0 {
		c.dead.AscendGreaterOrEqual(deadLetter{offset: p.sec.From}, p.look)
		return
	}
	for _, r := range p.sec.Runs {
		if from := max(r.First, p.sec.From); from < r.end() && !p.more {
			c.dead.AscendRange(deadLetter{offset: from}, deadLetter{offset: r.end()}, p.look)
		}
	}
}

// look takes a dead letter if it is meant, and says whether to go on.
func (p *picking) look(d deadLetter) bool {
	if len(p.picked) >= int(p.sec.Max) || p.looked >= p.looksMax {
		p.next, p.more = d.offset, true
		return false
	}
	p.looked++
	if p.sec.Reason == 0 || p.sec.Reason == d.reason {
		p.picked = append(p.picked, d)
	}
	return true
}
