package matcher

// ruleBranch is a branch of a rule: checks that all have to match, in the order of their paths.
type ruleBranch struct {
	id      uint32
	first   uint32 // number of the rule's first branch, which stands for the rule
	next    uint32 // 1 + the number of the rule's next branch; 0 for none
	filed   int32  // the check that it is filed under; filedNowhere
	guarded int32  // the check that guards it there; filedNowhere
	few     [2]*check
	more    []*check
}

// filedNowhere is for branches that a value can't lead to, because all their fields accept absence. All events are put to them.
const filedNowhere = -1

func (b *ruleBranch) append(c *check) {
	switch {
	case b.few[0] == nil:
		b.few[0] = c
	case b.few[1] == nil:
		b.few[1] = c
	default:
		b.more = append(b.more, c)
	}
}

func (b *ruleBranch) count() int {
	n := len(b.more)
	for _, c := range b.few {
		if c != nil {
			n++
		}
	}
	return n
}

func (b *ruleBranch) check(i int) *check {
	if i < len(b.few) {
		return b.few[i]
	}
	return b.more[i-len(b.few)]
}
