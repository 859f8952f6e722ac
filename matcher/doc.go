// Package matcher is the pattern language: which events does a pattern mean. The language is EventBridge's, and PATTERNS.md
// beside this file is its normative description.
//
//	text ─▶ Parse ─▶ Pattern ──▶ Set.Add ─▶ Set.Snapshot ─▶ Program
//	          │        │                                      │ MatchBlock
//	          ▼        ├─▶ Match(Event)      yes or no         ▼
//	     PatternError  ├─▶ Explain(Event)    why            Matches: rules by id,
//	                   └─▶ Lint()            what it may     a bitmap of events each
//	                                         not mean
//
// It owns the grammar, its errors and their places, matching, explaining, and sets of rules with many readers. It does not know
// who asks: topics, subscriptions, blocks of bytes and files are other packages' business, and it imports nothing of ours.
//
// # One pattern, one event
//
//	p, err := matcher.Parse(text)                      // err is a *PatternError: path, line, column, reason
//	ok := p.Match(matcher.Event{JSON: bytes})          // or Event{Attributes: ...} for an event that isn't JSON
//	fmt.Print(p.Explain(matcher.Event{JSON: bytes}))   // each leaf: verdict, value seen, value wanted
//	fmt.Print(p.Normal())                              // what it means: branches of paths with what is accepted
//
// To put one event to many patterns, read it once: e := ParseEvent(event), then p.MatchParsed(e) and p.ExplainParsed(e). To put
// blocks of events to many patterns, use a Set. No pattern at all is a nil *Pattern: it matches every event. There is no empty
// pattern; {} is refused.
//
// # Many rules
//
//	set := matcher.NewSet()                            // one writer
//	err := set.Add(7, p)                               // nil instead of p: every event
//	program := set.Snapshot()                          // immutable, any number of readers
//	var m matcher.Matches                              // one for each reader, used again and again
//	program.MatchBlock(events, &m)
//	for _, match := range m.Rules() { ... match.Rule, match.Words ... }
//
// Set and Program are interfaces with two engines behind them. Plain asks each pattern in turn: it is made to be obviously right
// rather than fast, and is the twin of the other. Compiled looks up which patterns an event may match (DESIGN.md). Package
// matchertest is the conformance suite that every engine passes; package corpus reads collections of cases with known answers.
//
// # Invariants
//
//   - L1, alone: every rule answers as if it were the only one in its set.
//   - L2, bytes decide: the same bytes are an event, or are not, under every set of rules; an event is judged as JSON whole,
//     also where no rule looks.
//   - L3, explained: Explain's verdict is Match's. They share the code that decides.
//   - L4, bounded: no pattern and no event, however made, costs more than polynomial work or memory (limits.go), and nothing
//     panics.
//   - L5, fixed: a Pattern, a ParsedEvent and a Program never change once they are there.
//   - L6, whole: a pattern is valid or refused as a whole, and a refusal has a place in the text.
//
// # Goroutines
//
// The package starts none. Pattern, ParsedEvent and Program are safe for any number of goroutines; a Set is for one writer, with
// Snapshot open to all; Matches is for one at a time.
//
// # Where to start
//
// pattern.go, for what a pattern is once parsed: branches of fields with alternatives. Then along a pattern's way: tokens.go,
// syntax.go (the text as JSON), compile.go and compile_*.go (the grammar), alternative.go, wildcard.go, fold.go, number.go and
// address.go (what each alternative matches). Along an event's way: event.go, event_json.go, match.go, array.go (fields that have
// to match in the same array elements), set.go, matches.go. The compiled engine, in the order in which an event meets it: scan.go,
// trie.go, program.go (what a value leads to), verify.go; in the order in which a rule does: compiled.go, check.go, filing.go,
// value_key.go, filing_text.go, canonical.go, postings.go, cost.go. For people: error.go, place.go, explain.go, lint.go.
package matcher
