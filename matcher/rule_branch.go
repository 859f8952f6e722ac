package matcher

import "encoding/binary"

// ruleBranch is a branch of a pattern: checks that all have to match, in the order of their paths. Rules that have the same pattern share
// its branches, which are put to the test once for all of them.
type ruleBranch struct {
	// ids of the rules that have the pattern, in its first branch alone. What is behind the end of the list is in no snapshot, so it may be
	// appended to in place; it is copied when one goes.
	ids     []uint32
	first   uint32 // number of the pattern's first branch, which stands for the pattern
	next    uint32 // 1 + the number of the pattern's next branch; 0 for none
	filed   int32  // the check that it is filed under; filedNowhere
	guarded int32  // the check that guards it there; filedNowhere
	checks  int32  // how many there are: a few in the branch itself, and more elsewhere
	few     [2]*check
	more    []*check
}

// filedNowhere is for branches that a value can't lead to, because all their fields accept absence. All events are put to them.
const filedNowhere = -1

func (b *ruleBranch) append(c *check) {
	if int(b.checks) < len(b.few) {
		b.few[b.checks] = c
	} else {
		b.more = append(b.more, c)
	}
	b.checks++
}

func (b *ruleBranch) count() int { return int(b.checks) }

func (b *ruleBranch) check(i int) *check {
	if i < len(b.few) {
		return b.few[i]
	}
	return b.more[i-len(b.few)]
}

// appendBranchKey writes which checks a branch has. Patterns with equal keys, branch by branch, are equal.
func appendBranchKey(key []byte, b *ruleBranch) []byte {
	for i := range b.count() {
		key = binary.LittleEndian.AppendUint32(key, b.check(i).number+1)
	}
	return binary.LittleEndian.AppendUint32(key, 0)
}
