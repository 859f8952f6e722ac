package matcher

import (
	"encoding/binary"
	"slices"
)

// ruleBranch is a branch of a pattern: checks that all have to match, by their numbers, in the order of their paths. Rules that have
// the same pattern share its branches, which are put to the test once for all of them.
//
// Branches are looked at in no order, so they are small.
type ruleBranch struct {
	// id and others are the rules that have the pattern, in its first branch alone; rules is how many they are.
	id, rules uint32
	others    *[]uint32
	first     uint32 // number of the pattern's first branch, which stands for the pattern
	next      uint32 // 1 + the number of the pattern's next branch; 0 for none
	filed     int16  // which of the checks it is filed under
	second    int16  // which of them is asked first there, or noCheck
	checks    int32  // how many there are: a few in the branch itself, and more elsewhere
	few       [4]uint32
	more      *[]uint32
}

const noCheck = -1

func (b *ruleBranch) append(check uint32) {
	if int(b.checks) < len(b.few) {
		b.few[b.checks] = check
	} else {
		if b.more == nil {
			b.more = new([]uint32)
		}
		*b.more = append(*b.more, check)
	}
	b.checks++
}

func (b *ruleBranch) count() int { return int(b.checks) }

func (b *ruleBranch) check(i int) uint32 {
	if i < len(b.few) {
		return b.few[i]
	}
	return (*b.more)[i-len(b.few)]
}

// appendBranchKey writes which checks a branch has. Patterns with equal keys, branch by branch, are equal.
func appendBranchKey(key []byte, b *ruleBranch) []byte {
	for i := range b.count() {
		key = binary.LittleEndian.AppendUint32(key, b.check(i)+1)
	}
	return binary.LittleEndian.AppendUint32(key, 0)
}

// share adds a rule to those that have the pattern.
func (b *ruleBranch) share(id uint32) {
	b.rules++
	if b.rules == 1 {
		b.id = id
		return
	}
	var others []uint32
	if b.others != nil {
		others = *b.others
	}
	// What is behind the end of the list is in no snapshot, so it may be written in place; the list's own header may not.
	others = append(others, id)
	b.others = &others
}

// part takes a rule from those that have the pattern.
func (b *ruleBranch) part(id uint32) {
	b.rules--
	if b.rules == 0 {
		return
	}
	others := *b.others
	if b.id == id {
		b.id = others[len(others)-1]
		id = b.id
	}
	i := slices.Index(others, id)
	others = slices.Concat(others[:i], others[i+1:])
	b.others = &others
}
