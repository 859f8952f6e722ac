package matcher

import (
	"cmp"
	"fmt"
	"slices"
)

// Explanation says why an event matches a pattern, or doesn't. It is bounded: long values are cut, long lists say how much more
// there is.
type Explanation struct {
	Matched bool `json:"matched"`
	// Why is the verdict in one sentence.
	Why string `json:"why"`
	// Branches are the pattern's, one unless it has $or: those that match first, then the nearest misses first.
	Branches []BranchExplanation `json:"branches,omitempty"`
	// BranchesMore is how many branches are not shown.
	BranchesMore int `json:"branches_more,omitempty"`
}

// BranchExplanation is one branch of a pattern with $or, or the whole of one without.
type BranchExplanation struct {
	// Number counts from 1, in the order of the expansion; Of is how many there are.
	Number  int  `json:"number"`
	Of      int  `json:"of"`
	Matched bool `json:"matched"`
	// Why says what is in the way where each leaf could match, but not all of them together.
	Why string `json:"why,omitempty"`
	// Leaves are the fields, by path, which is the order in which they are judged.
	Leaves []LeafExplanation `json:"leaves"`
}

// LeafExplanation is one field of a branch.
type LeafExplanation struct {
	// Path is the field's, with dots.
	Path    string `json:"path"`
	Matched bool   `json:"matched"`
	// Seen are values that the event has at the path, the one that decided first.
	Seen []SeenValue `json:"seen,omitempty"`
	// SeenMore is how many values the event has there besides.
	SeenMore int `json:"seen_more,omitempty"`
	// Wanted says what the pattern accepts.
	Wanted string `json:"wanted"`
	// Why says more where the values don't speak for themselves.
	Why string `json:"why,omitempty"`
}

// SeenValue is a value of the event.
type SeenValue struct {
	// Value is written as JSON.
	Value string `json:"value"`
	// At is where it is, with places in arrays: detail.items[2].price. Empty where the path says it all.
	At string `json:"at,omitempty"`
}

// How much of an explanation is shown.
const (
	branchesShown = 10
	valuesShown   = 3
)

// Explain says why the event matches or doesn't. Its verdict is that of Match.
func (p *Pattern) Explain(e Event) Explanation { return p.ExplainParsed(ParseEvent(e)) }

// ExplainParsed is Explain for an event that was read before.
func (p *Pattern) ExplainParsed(e *ParsedEvent) Explanation {
	switch {
	case p == nil:
		return Explanation{Matched: true, Why: "there is no pattern, so every event matches"}
	case e.err != nil:
		return Explanation{Why: e.err.Error() + "; it goes only to subscriptions without a pattern"}
	}
	j := newJudgement(p, e)
	verdicts := make([]verdict, len(p.branches))
	for i, b := range p.branches {
		verdicts[i] = j.verdict(i, b)
	}
	slices.SortStableFunc(verdicts, func(a, b verdict) int { return cmp.Compare(a.misses, b.misses) })
	x := Explanation{Matched: verdicts[0].matched, BranchesMore: max(0, len(verdicts)-branchesShown)}
	for _, v := range verdicts[:min(len(verdicts), branchesShown)] {
		x.Branches = append(x.Branches, j.explain(v))
	}
	x.Why = x.sentence(verdicts)
	return x
}

// verdict is what was found of a branch.
type verdict struct {
	number  int // of the branch, from 0
	matched bool
	search  *search // while the branch is looked at; nil where some field can't match at all
	misses  int     // how many fields can't; 0 only if the branch matches
}

func (j *judgement) verdict(number int, b branch) verdict {
	v := verdict{number: number}
	v.matched, v.search = j.branch(b)
	if v.matched {
		v.search = nil
		return v
	}
	for i, f := range b {
		if !j.alone(v, i, f) {
			v.misses++
		}
	}
	v.misses = max(1, v.misses)
	v.search = nil // it is as large as the event, and few of many are shown
	return v
}

// alone reports whether field i of a branch can match, as far as it goes without the other fields. In a search it is known to,
// if the search came past it.
func (j *judgement) alone(v verdict, i int, f *field) bool {
	c := j.candidates(f)
	return v.search != nil && i < v.search.reached || len(c.matching) > 0 || f.absence && len(c.present) == 0
}

func (j *judgement) explain(v verdict) BranchExplanation {
	b := j.pattern.branches[v.number]
	_, v.search = j.branch(b)
	x := BranchExplanation{Number: v.number + 1, Of: len(j.pattern.branches), Matched: v.matched}
	x.Leaves = make([]LeafExplanation, 0, len(b))
	for i, f := range b {
		x.Leaves = append(x.Leaves, j.leaf(v, i, f))
	}
	if !v.matched && v.search != nil {
		x.Why = j.conflict(v.search)
	}
	return x
}

// leaf explains field i of a branch.
func (j *judgement) leaf(v verdict, i int, f *field) LeafExplanation {
	x := LeafExplanation{Path: clipTo(f.path, nameShown), Wanted: anyOf(f.alternatives)}
	leaves := j.leavesAt(f)
	switch {
	case v.matched:
		x.Matched = true
		leaves = j.decisiveFirst(leaves, f, v.search.chosen[i])
		if v.search.chosen[i] == noElement && len(leaves) > 0 {
			x.Why = "it is absent from the array elements in which the fields before it were found"
		}
	case v.search != nil && i == v.search.reached && !v.search.gaveUp:
		leaves = j.decisiveFirst(leaves, f, noElement)
	default:
		x.Matched = j.alone(v, i, f)
		leaves = j.decisiveFirst(leaves, f, noElement)
	}
	if !x.Matched && len(j.candidates(f).matching) == 0 {
		x.Why = j.mismatch(f, leaves)
	}
	for _, l := range leaves[:min(len(leaves), valuesShown)] {
		leaf := &j.event.leaves[l]
		x.Seen = append(x.Seen, SeenValue{Value: leaf.value.show(), At: j.event.place(leaf)})
	}
	x.SeenMore = len(leaves) - len(x.Seen)
	return x
}

// decisiveFirst puts in front the leaf that a field was matched by: in an element, or anywhere if none is given.
func (j *judgement) decisiveFirst(leaves []int32, f *field, element int32) []int32 {
	for at, l := range leaves {
		leaf := &j.event.leaves[l]
		if (element == noElement || leaf.element == element) && j.fits(f, leaf) {
			return slices.Concat(leaves[at:at+1], leaves[:at], leaves[at+1:])
		}
	}
	return leaves
}

// sentence sums the explanation up.
func (x *Explanation) sentence(verdicts []verdict) string {
	first := &x.Branches[0]
	n := len(verdicts)
	switch {
	case x.Matched && n == 1:
		return "all fields match"
	case x.Matched:
		return fmt.Sprintf("branch %d of %d matches", first.Number, n)
	case n > 1:
		return fmt.Sprintf("none of the %d branches matches", n)
	case first.Why != "":
		return "each field could match, but not all of them together"
	case len(first.Leaves) == 1:
		return "the field does not match"
	case verdicts[0].misses == 1:
		return fmt.Sprintf("1 of %d fields does not match", len(first.Leaves))
	default:
		return fmt.Sprintf("%d of %d fields do not match", verdicts[0].misses, len(first.Leaves))
	}
}
