package matcher

import "slices"

// postings say which branches of rules are filed where. Most places hold one branch, which stands in the index itself; the others
// have a list.
type postings struct {
	index hashIndex // from valueHash to 1 + the number of a branch, or inList + the number of a list
	lists paged[[]uint32]
}

const inList = 1 << 31

// at returns what is filed under a hash; one is memory for a list that isn't there.
func (p *postings) at(hash uint32, one *[1]uint32) []uint32 {
	switch v := p.index.find(hash); {
	case v == 0:
		return nil
	case v&inList == 0:
		one[0] = v - 1
		return one[:]
	default:
		return *p.lists.at(v &^ inList)
	}
}

// postingsWriter changes postings.
type postingsWriter struct {
	postings
	numbers numbers
}

// load is how many branches are filed under a hash.
func (p *postingsWriter) load(hash uint32) int {
	var one [1]uint32
	return len(p.at(hash, &one))
}

func (p *postingsWriter) add(hash, branch uint32, now edition) {
	switch v := p.index.find(hash); {
	case v == 0:
		p.index.put(hash, branch+1, now)
	case v&inList == 0:
		number := p.numbers.take()
		*p.lists.edit(number, now) = []uint32{v - 1, branch}
		p.index.put(hash, inList|number, now)
	default:
		// What is behind the end of a list is in no snapshot, so it may be written in place.
		list := p.lists.edit(v&^inList, now)
		*list = append(*list, branch)
	}
}

// remove takes out one filing of a branch.
func (p *postingsWriter) remove(hash, branch uint32, now edition) {
	v := p.index.find(hash)
	if v&inList == 0 {
		p.index.put(hash, 0, now)
		return
	}
	number := v &^ inList
	list := p.lists.edit(number, now)
	at := slices.Index(*list, branch)
	shorter := slices.Concat((*list)[:at], (*list)[at+1:])
	if len(shorter) > 1 {
		*list = shorter
		return
	}
	*list = nil
	p.numbers.giveBack(number)
	p.index.put(hash, shorter[0]+1, now)
}
