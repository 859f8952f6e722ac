package wal

// Missing returns the first run of entries within from..to that are not physically there; false when all are.
func (g *Group) Missing(from, to uint64) (first, last uint64, missing bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for from <= to {
		at, holds := g.mu.index.extentFor(from)
		if !holds {
			last = to
			if at < len(g.mu.index.extents) {
				last = min(to, g.mu.index.extents[at].first-1)
			}
			return from, last, true
		}
		from = g.mu.index.extents[at].end()
	}
	return 0, 0, false
}
