package matcher

import "slices"

// postings say which branches of rules are filed where. Most places hold one branch, which stands in the index itself; the others
// have a list.
type postings struct {
	index hashIndex // from valueHash to 1 + the number of a branch, or inList + the number of a list
	lists paged[[]posting]
	// anywhere is set when a branch was filed under no value at all, now or before.
	anywhere bool
}

// posting is a branch that is filed somewhere. Its guard is the hash of a value that it wants besides (guarding in filing.go); 0 for none.
type posting struct {
	branch uint32
	guard  uint32
}

const inList = 1 << 31

// at returns what is filed under a hash; one is memory for a list that isn't there.
func (p *postings) at(hash uint32, one *[1]posting) []posting {
	return p.in(p.index.find(hash), one)
}

// in returns what is filed in a slot of the index.
func (p *postings) in(s slot, one *[1]posting) []posting {
	switch {
	case s.value == 0:
		return nil
	case s.value&inList == 0:
		one[0] = posting{s.value - 1, s.guard}
		return one[:]
	default:
		return *p.lists.at(s.value &^ inList)
	}
}

// postingsWriter changes postings.
type postingsWriter struct {
	postings
	numbers numbers
}

// load is how many branches are filed under a hash.
func (p *postingsWriter) load(hash uint32) int {
	var one [1]posting
	return len(p.at(hash, &one))
}

func (p *postingsWriter) add(hash uint32, added posting, now edition) {
	switch s := p.index.find(hash); {
	case s.value == 0:
		p.index.put(hash, added.branch+1, added.guard, now)
	case s.value&inList == 0:
		number := p.numbers.take()
		*p.lists.edit(number, now) = []posting{{s.value - 1, s.guard}, added}
		p.index.put(hash, inList|number, 0, now)
	default:
		// What is behind the end of a list is in no snapshot, so it may be written in place.
		list := p.lists.edit(s.value&^inList, now)
		*list = append(*list, added)
	}
}

// remove takes out one filing of a branch.
func (p *postingsWriter) remove(hash, branch uint32, now edition) {
	s := p.index.find(hash)
	if s.value&inList == 0 {
		p.index.put(hash, 0, 0, now)
		return
	}
	number := s.value &^ inList
	list := p.lists.edit(number, now)
	at := slices.IndexFunc(*list, func(p posting) bool { return p.branch == branch })
	shorter := slices.Concat((*list)[:at], (*list)[at+1:])
	if len(shorter) > 1 {
		*list = shorter
		return
	}
	*list = nil
	p.numbers.giveBack(number)
	p.index.put(hash, shorter[0].branch+1, shorter[0].guard, now)
}
