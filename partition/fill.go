package partition

// fill gives a far cursor the matching events from its frontier up to an offset, which the leader read from the log and matched again. One that
// doesn't begin at the frontier changes nothing: it was read for a state that is over, and its answer says where the frontier is.
func (m *Machine) fill(s fillSection) Result {
	c := m.find(s.Cursor)
	if c == nil {
		return Result{Refused: RefusedSubscription}
	}
	st := c.subscription.stream
	limit := st.next
	if c.reach == reachClosing {
		limit = c.resume
	}
	if c.reach == reachNear || s.From != c.frontier || s.To > limit {
		return Result{Refused: RefusedFrontier, First: c.looked()}
	}
	events := uint32(0)
	var runs []sizedRun
	for i := range s.Runs {
		runs = st.fresh(runs, &s.Runs[i])
	}
	for _, r := range runs {
		events += r.Count
	}
	if !m.makeRoom(c, uint64(events)) {
		m.touch(c) // what it has room for is asked for anew
		return Result{Refused: RefusedTooMany, First: c.looked()}
	}
	for _, r := range runs { // P2, P3: the leader vouches for them
		m.bring(c, r)
	}
	m.advance(c, s.To)
	return Result{First: c.looked(), Count: events}
}
