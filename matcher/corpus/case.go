package corpus

import (
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Case is one line of a corpus.
type Case struct {
	ID string
	// Line counts from 1.
	Line int
	// Rules are what is put to the event, or to the parser alone. They are in the order of the line.
	Rules []Rule
	// Event is the event's JSON, byte for byte; nil where only the parser is asked.
	Event []byte
	// Label is what the corpus says of a pattern that must be refused. It is no text that anything has to match.
	Label string
	// Message is what EventBridge says of a pattern that it refuses; empty where that is not known.
	Message string
}

// Rule is a pattern with its answer.
type Rule struct {
	// Name is the rule's name in the corpus; "pattern" where the format has none.
	Name string
	// Pattern is the text, byte for byte.
	Pattern []byte
	Want    Answer
}

// Answer is what a rule says of an event, or the parser of a pattern.
type Answer int

// The answers.
const (
	NoMatch Answer = iota // valid, and the event doesn't match
	Match                 // valid, and the event matches
	Refused               // not a valid pattern
	Valid                 // a valid pattern, without an event to put to it
)

func (a Answer) String() string {
	switch a {
	case NoMatch:
		return "no match"
	case Match:
		return "match"
	case Refused:
		return "refused"
	case Valid:
		return "valid"
	default:
		return fmt.Sprintf("answer %d", int(a))
	}
}

// MarshalText makes answers readable in JSON.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// parseCase reads a line.
func parseCase(line []byte) (Case, error) {
	members, err := membersOf(line)
	if err != nil {
		return Case{}, err
	}
	raw := make(map[string]jsontext.Value, len(members))
	for _, m := range members {
		raw[m.name] = m.value
	}
	switch {
	case raw["rules"] != nil:
		return ruleCase(raw)
	case raw["verdict"] != nil:
		return verdictCase(raw)
	case raw["valid"] != nil:
		return validityCase(raw)
	default:
		return Case{}, fmt.Errorf("neither rules, nor verdict, nor valid is there, so this is no case")
	}
}

// ruleCase is {"id", "rules", "event" or "event_text", "matched"}.
func ruleCase(raw map[string]jsontext.Value) (Case, error) {
	c := Case{Event: raw["event"]}
	var matched []string
	var text *string
	if err := decode(raw, map[string]any{"id": &c.ID, "matched": &matched, "event_text": &text}); err != nil {
		return c, err
	}
	if text != nil {
		c.Event = append([]byte{}, *text...) // not nil, even if there is nothing
	}
	if c.Event == nil {
		return c, fmt.Errorf(`case %q has neither "event" nor "event_text"`, c.ID)
	}
	rules, err := membersOf(raw["rules"])
	if err != nil {
		return c, fmt.Errorf(`case %q: "rules": %w`, c.ID, err)
	}
	wanted := make(map[string]bool, len(matched))
	for _, name := range matched {
		wanted[name] = true
	}
	for _, m := range rules {
		rule := Rule{Name: m.name, Pattern: m.value}
		if wanted[m.name] {
			rule.Want = Match
			delete(wanted, m.name)
		}
		c.Rules = append(c.Rules, rule)
	}
	for name := range wanted {
		return c, fmt.Errorf(`case %q: "matched" names rule %q, which isn't there, or is there twice`, c.ID, name)
	}
	return c, nil
}

// validityCase is {"id", "pattern" or "pattern_text", "valid", "reason"}.
func validityCase(raw map[string]jsontext.Value) (Case, error) {
	var c Case
	var valid bool
	var text *string
	if err := decode(raw, map[string]any{"id": &c.ID, "valid": &valid, "reason": &c.Label, "pattern_text": &text}); err != nil {
		return c, err
	}
	rule := Rule{Name: "pattern", Pattern: raw["pattern"], Want: Refused}
	if text != nil {
		rule.Pattern = []byte(*text)
	}
	if rule.Pattern == nil {
		return c, fmt.Errorf(`case %q has neither "pattern" nor "pattern_text"`, c.ID)
	}
	if valid {
		rule.Want = Valid
	}
	c.Rules = []Rule{rule}
	return c, nil
}

// verdictCase is {"label", "verdict", "pattern", "event", "aws_error"}.
func verdictCase(raw map[string]jsontext.Value) (Case, error) {
	c := Case{Event: raw["event"]}
	var verdict string
	var refusal struct {
		Message string `json:"Message"` //nolint:tagliatelle // EventBridge's name
	}
	if err := decode(raw, map[string]any{"label": &c.ID, "verdict": &verdict, "aws_error": &refusal}); err != nil {
		return c, err
	}
	if c.Event == nil || raw["pattern"] == nil {
		return c, fmt.Errorf(`case %q has no "event" or no "pattern"`, c.ID)
	}
	rule := Rule{Name: "pattern", Pattern: raw["pattern"]}
	switch verdict {
	case "match":
		rule.Want = Match
	case "no":
		rule.Want = NoMatch
	case "error":
		rule.Want, c.Message = Refused, refusal.Message
	default:
		return c, fmt.Errorf(`case %q: "verdict" is %q, not match, no or error`, c.ID, verdict)
	}
	c.Rules = []Rule{rule}
	return c, nil
}

// decode fills in members that don't have to be raw. A member that isn't there leaves its target as it is.
func decode(raw map[string]jsontext.Value, targets map[string]any) error {
	for name, target := range targets {
		if value, ok := raw[name]; ok {
			if err := json.Unmarshal(value, target); err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
		}
	}
	return nil
}
