package matcher

// Limits of the language. A pattern beyond one of the first five is refused by Parse with a PatternError that names the limit;
// an event beyond NestingMax is not an event.
const (
	// PatternBytesMax is the longest text of a pattern, in bytes.
	PatternBytesMax = 64 << 10
	// NestingMax is how deep objects and arrays may lie in each other, in patterns and in events; the outermost object is 1.
	NestingMax = 1000
	// BranchesMax is how many branches $or may expand to.
	BranchesMax = 1000
	// PathsMax is how many paths a branch may name.
	PathsMax = 256
	// PathBytesMax is how long all paths of a pattern may be together when each is written out, in bytes. Nesting repeats
	// the outer names in every path below, so that 64 KiB of text could otherwise ask for hundreds of megabytes.
	PathBytesMax = 1 << 20
)

// The search for values that lie in the same array elements (array.go) is polynomial, near to linear, for every event in
// which no two arrays share a path. Repeated names and names with dots can make arrays share one, and then the question is as
// hard as satisfiability. So it has a bound, in steps (an element tried, or one of the arrays around it looked at): a fixed
// part, and a part for each value of the event. A branch that is undecided by then does not match.
const (
	searchStepsFixed    = 1 << 16
	searchStepsPerValue = 64
)

// Limits of a compiled set of patterns. Add refuses a pattern that would take the set beyond them, with the cost and the limit; the
// answer depends on the patterns that the set holds and not on their order.
const (
	// SetBytesMax is about how much memory all patterns may take, in bytes. What rules have in common counts once.
	SetBytesMax = 1 << 30
	// SetBroadMax is how many different lists there may be at one path that no value leads to, so that each is put to every value
	// there: those with anything-but, with an empty prefix, or with a wildcard of nothing but stars.
	SetBroadMax = 1 << 16
)
