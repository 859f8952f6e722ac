package matcher

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// String renders the explanation for a terminal, without colour:
//
//	no match: 1 of 2 fields does not match
//	  yes  detail.currency  saw "AU"           wants "AU" or "NZ"
//	  no   source           saw "com.billing"  wants "com.orders"
func (x Explanation) String() string {
	var b strings.Builder
	if x.Matched {
		b.WriteString("match: ")
	} else {
		b.WriteString("no match: ")
	}
	b.WriteString(x.Why + "\n")
	for _, branch := range x.Branches {
		branch.write(&b)
	}
	if x.BranchesMore > 0 {
		fmt.Fprintf(&b, "and %d more branches\n", x.BranchesMore)
	}
	return b.String()
}

func (x *BranchExplanation) write(b *strings.Builder) {
	if x.Of > 1 {
		fmt.Fprintf(b, "branch %d of %d: %s\n", x.Number, x.Of, word(x.Matched, "match", "no match"))
	}
	if x.Why != "" {
		b.WriteString("  " + x.Why + "\n")
	}
	// The table is laid out first and the remarks go between its lines, since they would widen the columns.
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for i := range x.Leaves {
		l := &x.Leaves[i]
		line := fmt.Sprintf("  %s\t%s\t%s\twants %s\n", word(l.Matched, "yes", "no"), printable(l.Path), printable(l.saw()), printable(l.Wanted))
		_, _ = w.Write([]byte(line)) // a strings.Builder takes everything
	}
	_ = w.Flush()
	for i, line := range strings.SplitAfter(strings.TrimSuffix(table.String(), "\n"), "\n") {
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		if why := x.Leaves[i].Why; why != "" {
			b.WriteString("       " + why + "\n")
		}
	}
}

// saw words what the event has.
func (x *LeafExplanation) saw() string {
	if len(x.Seen) == 0 {
		return "saw nothing"
	}
	var values []string
	for _, v := range x.Seen {
		text := v.Value
		if v.At != "" {
			text += " at " + v.At
		}
		values = append(values, text)
	}
	s := "saw " + strings.Join(values, ", ")
	if x.SeenMore > 0 {
		s += fmt.Sprintf(" and %d more", x.SeenMore)
	}
	return s
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// printable keeps what an event says from drawing on a terminal: strings in JSON are safe, names are not.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
