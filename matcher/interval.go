package matcher

import (
	"cmp"
	"math"
)

// interval is a node of a treap of intervals of numbers [Seidel, Aragon 1996], ordered by their lower ends, in which each node knows
// the highest upper end below it. It never changes: adding and removing copy the way to what they change. The nil treap is empty.
type interval struct {
	lower, upper float64 // both included
	highest      float64 // upper end in this part of the treap
	left, right  *interval
	check        uint32
	priority     uint32 // no node has one of a higher priority below it
}

func newInterval(lower, upper float64, check uint32) *interval {
	hash := multiply(hashDouble(lower)^hashDouble(upper), hashKeyB^uint64(check)<<20)
	return &interval{lower: lower, upper: upper, highest: upper, check: check, priority: uint32(hash)}
}

// ends are the interval that between means, with its ends included: numbers that take part in comparison are doubles, so that
// "above x" is "from the next double on".
func (b between) ends() (lower, upper float64) {
	lower, upper = math.Inf(-1), math.Inf(1)
	if b.lower.text != "" {
		if lower = b.lower.double; !b.lower.included {
			lower = math.Nextafter(lower, math.Inf(1))
		}
	}
	if b.upper.text != "" {
		if upper = b.upper.double; !b.upper.included {
			upper = math.Nextafter(upper, math.Inf(-1))
		}
	}
	return lower, upper
}

func (t *interval) compare(other *interval) int {
	return cmp.Or(cmp.Compare(t.lower, other.lower), cmp.Compare(t.upper, other.upper), cmp.Compare(t.check, other.check))
}

// over returns a copy of the node with others below it.
func (t *interval) over(left, right *interval) *interval {
	c := *t
	c.left, c.right, c.highest = left, right, c.upper
	if left != nil {
		c.highest = max(c.highest, left.highest)
	}
	if right != nil {
		c.highest = max(c.highest, right.highest)
	}
	return &c
}

// with adds a node.
func (t *interval) with(added *interval) *interval {
	switch {
	case t == nil:
		return added
	case added.priority > t.priority:
		return added.over(t.split(added))
	case added.compare(t) < 0:
		return t.over(t.left.with(added), t.right)
	default:
		return t.over(t.left, t.right.with(added))
	}
}

// split parts what is before a node from the rest.
func (t *interval) split(at *interval) (before, behind *interval) {
	switch {
	case t == nil:
		return nil, nil
	case t.compare(at) < 0:
		left, right := t.right.split(at)
		return t.over(t.left, left), right
	default:
		left, right := t.left.split(at)
		return left, t.over(right, t.right)
	}
}

// without removes a node that equals another.
func (t *interval) without(gone *interval) *interval {
	if t == nil {
		return nil
	}
	switch order := gone.compare(t); {
	case order < 0:
		return t.over(t.left.without(gone), t.right)
	case order > 0:
		return t.over(t.left, t.right.without(gone))
	default:
		return t.left.join(t.right)
	}
}

// join makes one treap of two, all of the first being before the second.
func (t *interval) join(behind *interval) *interval {
	switch {
	case t == nil:
		return behind
	case behind == nil:
		return t
	case t.priority > behind.priority:
		return t.over(t.left, t.right.join(behind))
	default:
		return behind.over(t.join(behind.left), behind.right)
	}
}

// holding appends the checks whose intervals hold a number.
func (t *interval) holding(checks []uint32, number float64) []uint32 {
	for t != nil && t.highest >= number {
		checks = t.left.holding(checks, number)
		if number < t.lower {
			break
		}
		if number <= t.upper {
			checks = append(checks, t.check)
		}
		t = t.right
	}
	return checks
}
