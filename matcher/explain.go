package matcher

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
	// Why is set where each leaf could match but not all of them together.
	Why    string            `json:"why,omitempty"`
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
	// At is where it is, with places in arrays: detail.items[2].price. Empty where Path says the same.
	At string `json:"at,omitempty"`
}
