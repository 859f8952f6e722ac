package history

// checkReplicas is I17: replicas that have applied the same entries are in the same
// state, and an entry has one term everywhere.
func (c *checker) checkReplicas() {
	type entry struct {
		partition uint32
		index     uint64
	}
	seen := make(map[entry]*Applied)
	for i := range c.Applied {
		a := &c.Applied[i]
		at := entry{a.Partition, a.Index}
		first, ok := seen[at]
		switch {
		case !ok:
			seen[at] = a
		case first.Hash != a.Hash:
			c.verdict.addf(Replicas, "partition %d behind entry %d: %s has the state %016x, %s %016x", a.Partition, a.Index, first.Node, first.Hash, a.Node, a.Hash)
		case first.Term != a.Term && first.Term != 0 && a.Term != 0:
			c.verdict.addf(Replicas, "partition %d, entry %d: %s has it of term %d, %s of term %d", a.Partition, a.Index, first.Node, first.Term, a.Node, a.Term)
		}
	}
}

// checkAccounts is I18: when all has drained, nothing is counted as held, and as many
// dead letters as are listed.
func (c *checker) checkAccounts() {
	if !c.Drained {
		return
	}
	listed := make(map[Reader]uint64)
	for _, d := range c.Dead {
		listed[d.Reader]++
	}
	for _, h := range c.Held {
		name := c.Readers[h.Reader].Name
		if h.Ready+h.Leased+h.Delayed > 0 {
			c.verdict.addf(Accounts, "%s has drained, and counts %d ready, %d leased, %d delayed", name, h.Ready, h.Leased, h.Delayed)
		}
		if h.Dead != listed[h.Reader] {
			c.verdict.addf(Accounts, "%s counts %d dead letters, and lists %d", name, h.Dead, listed[h.Reader])
		}
	}
}
