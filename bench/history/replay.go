package history

// checkReadings is I16: a reading shows a partition's events in order, none twice and
// none left out but where it says so, with the bytes that were published. That
// several show the same event at a place is checkPlaces'.
func (c *checker) checkReadings() {
	next := make(map[uint32]Place) // by session
	for i := range c.Reads {
		r := &c.Reads[i]
		want, begun := next[r.Session]
		if begun && want.Partition != r.Place.Partition {
			c.verdict.addf(Replay, "reading %d went from partition %d to partition %d", r.Session, want.Partition, r.Place.Partition)
		} else if begun && (r.Place.Offset < want.Offset || r.Place.Offset > want.Offset && !r.Truncated) {
			c.verdict.addf(Replay, "reading %d went on with %s behind %d/%d", r.Session, r.Place, want.Partition, want.Offset)
		}
		if r.Truncated {
			next[r.Session] = r.Place
			continue
		}
		next[r.Session] = Place{r.Place.Partition, r.Place.Offset + 1}
		number, ok := c.publishOf[r.Message]
		if !ok {
			c.verdict.addf(Replay, "reading %d shows at %s what was never published", r.Session, r.Place)
		} else if p := &c.Publishes[number]; p.Digest != r.Digest || p.Outcome == Fail {
			c.verdict.addf(Replay, "reading %d shows event %d at %s, which was published with other bytes, or refused", r.Session, r.Message, r.Place)
		}
	}
}
