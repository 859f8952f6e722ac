package matcher

import "fmt"

// What a set costs follows from its patterns alone, not from the order in which they came: a set that was accepted once is accepted
// again when it is built anew.

// About what things take in memory beside texts, in bytes.
const (
	ruleBytes        = 64
	branchBytes      = 80
	branchCheckBytes = 12
	checkBytes       = 256
	alternativeBytes = 96
	unitBytes        = 40 // of a text that ignores case, for each character
	pieceBytes       = 24 // of a wildcard
)

// bytes is about how much memory a check takes, with its path and where it is filed.
func (c *check) bytes() int {
	total := checkBytes + 2*len(c.path)
	for _, a := range c.alternatives {
		total += bytesOf(a)
	}
	return total
}

func bytesOf(a alternative) int {
	switch a := a.(type) {
	case exactText:
		return alternativeBytes + len(a)
	case exactly:
		return alternativeBytes + len(a.exactText)
	case exactNumber:
		return alternativeBytes + len(a.text)
	case prefix:
		return alternativeBytes + len(a)
	case suffix:
		return alternativeBytes + len(a)
	case wildcard:
		return alternativeBytes + 2*len(a.text) + pieceBytes*len(a.pieces)
	case equalFold:
		return alternativeBytes + len(a.text) + unitBytes*len(a.units)
	case prefixFold:
		return alternativeBytes + len(a.text) + unitBytes*len(a.units)
	case suffixFold:
		return alternativeBytes + len(a.text) + unitBytes*len(a.units)
	case anythingBut:
		total := alternativeBytes
		for _, b := range a.none {
			total += bytesOf(b)
		}
		return total
	default:
		return 2 * alternativeBytes // numbers and addresses, whose texts are short
	}
}

// bytes is about how much memory a branch takes, without its checks.
func (b *ruleBranch) bytes() int { return branchBytes + branchCheckBytes*b.count() }

// broad reports whether nothing in a value leads to a check, so that it is put to every value at its path.
func (c *check) broad() bool {
	for _, a := range c.alternatives {
		if costOf(a) == costAny {
			return true
		}
	}
	return false
}

// costLocked refuses what the set can't bear.
func (s *compiledSet) costLocked(broadest uint32) error {
	if cost := s.mu.checks.bytes + s.mu.branchBytes + ruleBytes*(len(s.mu.rules)+1); cost > s.bytesMax {
		return fmt.Errorf("the patterns of this set would take %d bytes compiled, at most %d are allowed", cost, s.bytesMax)
	}
	if cost := s.mu.checks.broad[broadest]; int(cost) > s.broadMax {
		return fmt.Errorf("at one path %d different lists of this set would have to be put to every value, as anything-but is; at most %d are allowed", cost, s.broadMax)
	}
	return nil
}
