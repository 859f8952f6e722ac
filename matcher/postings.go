package matcher

import "slices"

// postings lead from values to checks, and from checks to branches.
//
//	value ─▶ index ─▶ checks that it may satisfy ─▶ filed ─▶ branches that are filed under a check
//
// Most places of the index hold one check, which stands in the index itself; the others have a list.
type postings struct {
	index hashIndex        // from valueHash to 1 + the number of a check, or inList + the number of a list
	lists paged[[]uint32]  // of checks that share a place
	filed paged[[]posting] // by check
}

const inList = 1 << 31

// posting is a branch where it is filed. It says what else to ask before the branch is looked at, which for most rules is all that
// there is to ask.
type posting struct {
	branch uint32 // its number, and wholeBranch
	second uint32 // 1 + the number of one more check of it, and knownSecond; 0 for none
}

const (
	// wholeBranch marks a branch that has no more checks than the one it is filed under and the second, and that is the first of its
	// pattern.
	wholeBranch = 1 << 31
	// knownSecond marks a second check whose answer events know (check.known).
	knownSecond = 1 << 31
)

// at returns the checks at a place; one is memory for a list that isn't there.
func (p *postings) at(hash uint32, one *[1]uint32) []uint32 { return p.in(p.index.find(hash), one) }

// in returns the checks that the index has at a place, given what it has there.
func (p *postings) in(found uint32, one *[1]uint32) []uint32 {
	switch {
	case found == 0:
		return nil
	case found&inList == 0:
		one[0] = found - 1
		return one[:]
	default:
		return *p.lists.at(found &^ inList)
	}
}

// postingsWriter changes postings.
type postingsWriter struct {
	postings
	numbers numbers // of lists
}

// load is how many checks are at a place.
func (p *postingsWriter) load(hash uint32) int {
	var one [1]uint32
	return len(p.at(hash, &one))
}

// add puts a check at a place.
func (p *postingsWriter) add(hash, check uint32, now edition) {
	switch found := p.index.find(hash); {
	case found == 0:
		p.index.put(hash, check+1, now)
	case found&inList == 0:
		number := p.numbers.take()
		*p.lists.edit(number, now) = []uint32{found - 1, check}
		p.index.put(hash, inList|number, now)
	default:
		// What is behind the end of a list is in no snapshot, so it may be written in place.
		list := p.lists.edit(found&^inList, now)
		*list = append(*list, check)
	}
}

// remove takes a check from a place, once.
func (p *postingsWriter) remove(hash, check uint32, now edition) {
	found := p.index.find(hash)
	if found&inList == 0 {
		p.index.put(hash, 0, now)
		return
	}
	number := found &^ inList
	list := p.lists.edit(number, now)
	at := slices.Index(*list, check)
	shorter := slices.Concat((*list)[:at], (*list)[at+1:])
	if len(shorter) > 1 {
		*list = shorter
		return
	}
	*list = nil
	p.numbers.giveBack(number)
	p.index.put(hash, shorter[0]+1, now)
}

// file puts a branch under a check.
func (p *postingsWriter) file(check uint32, added posting, now edition) {
	list := p.filed.edit(check, now)
	*list = append(*list, added) // in place, as above
}

// unfile takes a branch from under a check.
func (p *postingsWriter) unfile(check, branch uint32, now edition) {
	list := p.filed.edit(check, now)
	at := slices.IndexFunc(*list, func(p posting) bool { return p.branch&^wholeBranch == branch })
	*list = slices.Concat((*list)[:at], (*list)[at+1:])
}
