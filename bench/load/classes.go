package load

import (
	"fmt"
	"strings"
)

// Patterns is what subscriptions' patterns are made of.
type Patterns uint8

const (
	// PatternsExact names the classes that match, each as a string.
	PatternsExact Patterns = iota
	// PatternsNumeric gives a range of numbers.
	PatternsNumeric
	// PatternsMixed takes turns with both.
	PatternsMixed
)

func (p Patterns) String() string {
	names := [...]string{"exact", "numeric", "mixed"}
	if int(p) >= len(names) {
		return fmt.Sprintf("patterns %d", uint8(p))
	}
	return names[p]
}

// classes say which subscriptions get an event. Each event has a class, drawn evenly from as many
// as there are subscriptions; the subscription s wants the classes s, s+1 and so on, as many as
// subscriptions are to match an event, in a ring:
//
//	            class 0  1  2  3  4  5
//	subscription 0    x  x  .  .  .  .      6 subscriptions, of which 2 match:
//	             1    .  x  x  .  .  .      the class 1 is wanted by 0 as its second
//	             ...                        and by 1 as its first
//	             5    x  .  .  .  .  x
//
// An event's deliveries are told apart by the place of its class in what the subscription wants,
// so that the ledger has a bit for each delivery, and none for what doesn't match.
type classes struct {
	subscriptions, matches int
	members                int
}

func newClasses(o *Options) classes {
	members := 1
	if o.Work == WorkFanout {
		members = o.Members
	}
	return classes{subscriptions: o.Subscriptions, matches: o.Matches, members: members}
}

// of is the class of an event, by its random number.
func (c *classes) of(draw uint64) int {
	if c.matches >= c.subscriptions {
		return 0
	}
	return int(draw >> 32 * uint64(c.subscriptions) >> 32)
}

// copy is which delivery of an event it is that comes to a member of a subscription, and false if
// that shouldn't have got it.
func (c *classes) copy(draw uint64, subscription, member int) (copied int, ok bool) {
	place := c.of(draw) - subscription
	if place < 0 {
		place += c.subscriptions
	}
	return place*c.members + member, place < c.matches
}

const (
	classDigits = 5
	numberBase  = 100_000 // so that all numbers have as many digits
)

// classBytes is how much longer events are with a class.
func classBytes(classed bool) int {
	if !classed {
		return 0
	}
	return len(classMember) + 1 + classDigits + len(numberMember) + 1 + classDigits
}

// appendClass appends `,"class":"c00042","number":100042`.
func appendClass(to []byte, class int) []byte {
	to = append(to, classMember...)
	to = append(to, 'c')
	to = appendDecimal(to, class)
	to = append(to, numberMember...)
	to = append(to, '1')
	return appendDecimal(to, class)
}

func appendDecimal(to []byte, value int) []byte {
	var digits [classDigits]byte
	for i := range digits {
		digits[classDigits-1-i] = '0' + byte(value%10)
		value /= 10
	}
	return append(to, digits[:]...)
}

// pattern is a subscription's, or nothing if it wants every event.
func (c *classes) pattern(o *Options, subscription int) string {
	if !o.patterned() {
		return ""
	}
	inside, source := "detail", ""
	switch {
	case len(o.Lines) > 0:
		inside = "bench"
	case o.Shape == ShapeOrders:
		source = fmt.Sprintf(`"source":[%q],`, orderSource)
	default:
		source = fmt.Sprintf(`"source":[%q],`, shapeSource)
	}
	condition := c.exact(subscription)
	if o.Patterns == PatternsNumeric || o.Patterns == PatternsMixed && subscription%2 == 1 {
		condition = c.numeric(subscription)
	}
	return fmt.Sprintf(`{%s%q:{%s}}`, source, inside, condition)
}

func (c *classes) exact(subscription int) string {
	var wanted []string
	for i := range c.matches {
		wanted = append(wanted, fmt.Sprintf(`"c%0*d"`, classDigits, (subscription+i)%c.subscriptions))
	}
	return `"class":[` + strings.Join(wanted, ",") + `]`
}

func (c *classes) numeric(subscription int) string {
	between := func(from, to int) string {
		return fmt.Sprintf(`{"numeric":[">=",%d,"<",%d]}`, numberBase+from, numberBase+to)
	}
	ranges := between(subscription, min(subscription+c.matches, c.subscriptions))
	if over := subscription + c.matches - c.subscriptions; over > 0 {
		ranges += "," + between(0, over)
	}
	return `"number":[` + ranges + `]`
}
