package matcher_test

import (
	"errors"
	"fmt"

	"github.com/freshet-mq/freshet/matcher"
)

var order = matcher.Event{JSON: []byte(`{"source":"com.orders","detail":{"price":24.62,"currency":"AU"}}`)}

func ExampleParse() {
	_, err := matcher.Parse([]byte(`{"detail": {"amount": [{"numeric": [">", "100"]}]}}`))
	fmt.Println(err)

	if refused, ok := errors.AsType[*matcher.PatternError](err); ok {
		fmt.Println(refused.Path, refused.Line, refused.Column)
	}
	// Output:
	// pattern refused at $.detail.amount[0].numeric[1], line 1, column 42
	//   Event pattern is not valid. Reason: Value of > must be numeric
	//   "numeric" wants a number after ">", got string "100"
	// $.detail.amount[0].numeric[1] 1 42
}

func ExamplePattern_Match() {
	p, err := matcher.Parse([]byte(`{"detail": {"price": [{"numeric": [">", 20]}], "currency": ["AU", "NZ"]}}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Match(order))
	// Output: true
}

func ExamplePattern_Explain() {
	p, err := matcher.Parse([]byte(`{"source": ["com.orders"], "detail": {"currency": ["US", "NZ"]}}`))
	if err != nil {
		panic(err)
	}
	fmt.Print(p.Explain(order))
	// Output:
	// no match: 1 of 2 fields does not match
	//   no   detail.currency  saw "AU"          wants "US" or "NZ"
	//   yes  source           saw "com.orders"  wants "com.orders"
}

func ExamplePattern_Lint() {
	p, err := matcher.Parse([]byte(`{"detail": {"amount": {"numeric": [">", 5]}}}`))
	if err != nil {
		panic(err)
	}
	for _, finding := range p.Lint() {
		fmt.Println(finding)
	}
	// Output:
	// $.detail.amount.numeric, line 1, column 24: this is a field called "numeric", not the operator; the operator stands in a list: [{"numeric": ...}] (operator-as-name)
}

// To put one event to many patterns, it is read once.
func ExampleParseEvent() {
	event := matcher.ParseEvent(order)
	for _, text := range []string{`{"source": ["com.orders"]}`, `{"source": [{"suffix": ".billing"}]}`} {
		p, err := matcher.Parse([]byte(text))
		if err != nil {
			panic(err)
		}
		fmt.Println(p, p.MatchParsed(event))
	}
	// Output:
	// {"source": ["com.orders"]} true
	// {"source": [{"suffix": ".billing"}]} false
}

func ExampleSet() {
	set := matcher.NewSet()
	p, err := matcher.Parse([]byte(`{"detail": {"currency": [{"anything-but": "AU"}]}}`))
	if err != nil {
		panic(err)
	}
	if err := set.Add(7, p); err != nil {
		panic(err)
	}
	if err := set.Add(9, nil); err != nil { // every event
		panic(err)
	}
	block := []matcher.Event{order, {JSON: []byte(`{"detail":{"currency":"NZ"}}`)}, {Attributes: []matcher.Attribute{{Name: "kind", Value: "x"}}}}

	var m matcher.Matches
	set.Snapshot().MatchBlock(block, &m)
	for _, match := range m.Rules() {
		fmt.Printf("rule %d: %d of %d events, all %t\n", match.Rule, m.Count(match), m.Events(), match.All())
	}
	// Output:
	// rule 7: 1 of 3 events, all false
	// rule 9: 3 of 3 events, all true
}
