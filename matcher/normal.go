package matcher

import (
	"fmt"
	"strings"
)

// Normal writes what the pattern means, for people: its branches, and in each the fields in the order in which they are judged.
// It is long for patterns with many branches.
func (p *Pattern) Normal() string {
	if p == nil {
		return "every event\n"
	}
	var b strings.Builder
	for i, fields := range p.branches {
		switch {
		case i > 0:
			b.WriteString("or\n")
		case len(p.branches) > 1:
			b.WriteString("either\n")
		}
		for _, f := range fields {
			fmt.Fprintf(&b, "  %s is %s\n", printable(quote(clipTo(f.path, nameShown))), printable(anyOf(f.alternatives)))
		}
	}
	return b.String()
}
