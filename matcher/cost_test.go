package matcher

import (
	"fmt"
	"strings"
	"testing"
)

func mustParse(t testing.TB, format string, arguments ...any) *Pattern {
	t.Helper()
	p, err := Parse(fmt.Appendf(nil, format, arguments...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ruleNumbers lists the rules that match an event.
func ruleNumbers(s Set, event string) (ids []uint32) {
	var m Matches
	s.Snapshot().MatchBlock([]Event{{JSON: []byte(event)}}, &m)
	for _, match := range m.Rules() {
		ids = append(ids, match.Rule)
	}
	return ids
}

// TestSetBytes fills a set to its limit. What is refused leaves it as it was, also where it was to replace a rule; what goes makes
// room.
func TestSetBytes(t *testing.T) {
	s := newCompiledSet()
	s.bytesMax = 10_000
	held := uint32(0)
	var err error
	for ; err == nil && held < 1000; held++ {
		err = s.Add(held, mustParse(t, `{"a":["value-%d"]}`, held))
	}
	held-- // the last was refused
	if err == nil || !strings.Contains(err.Error(), "bytes compiled, at most 10000 are allowed") {
		t.Fatalf("after %d rules: %v", held, err)
	}
	if held < 10 || held > 100 {
		t.Errorf("%d rules fit into 10,000 bytes", held)
	}
	version, bytes := s.Snapshot().Version(), s.mu.checks.bytes+s.mu.branchBytes
	for _, id := range []uint32{held, 3} {
		if err := s.Add(id, mustParse(t, `{"$or":[{"b":["x"]},{"c":[%q]}]}`, strings.Repeat("long ", 200))); err == nil {
			t.Errorf("rule %d: a large pattern fitted", id)
		}
	}
	if s.Snapshot().Version() != version || s.mu.checks.bytes+s.mu.branchBytes != bytes {
		t.Error("a refusal changed the set")
	}
	if got := ruleNumbers(s, `{"a":"value-3"}`); len(got) != 1 || got[0] != 3 {
		t.Errorf("rules %v match, want 3", got)
	}
	if err := s.Add(held, mustParse(t, `{"a":["value-0"]}`)); err != nil {
		t.Errorf("a rule that shares its pattern: %v", err)
	}
	for id := range held + 1 {
		s.Remove(id)
	}
	if s.mu.checks.bytes != 0 || s.mu.branchBytes != 0 || len(s.mu.checks.broad) != 0 {
		t.Errorf("an empty set counts %d and %d bytes", s.mu.checks.bytes, s.mu.branchBytes)
	}
}

// TestSetBroad counts the lists at one path that no value leads to. Other paths, and lists that are led to, are not among them.
func TestSetBroad(t *testing.T) {
	s := newCompiledSet()
	s.broadMax = 10
	id := uint32(0)
	add := func(text string) error {
		id++
		return s.Add(id, mustParse(t, "%s", text))
	}
	for i := range 10 {
		for _, text := range []string{`{"a":[{"anything-but":["x-%d"]}]}`, `{"b":[{"anything-but":["x-%d"]}]}`, `{"a":[{"wildcard":"*-%d"}]}`} {
			if err := add(fmt.Sprintf(text, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := add(`{"c":["y"],"a":[{"anything-but":["x-3"]}]}`); err != nil {
		t.Errorf("a list that is there already: %v", err)
	}
	for _, text := range []string{`{"a":[{"anything-but":["y"]}]}`, `{"a":[{"prefix":""}],"z":[1]}`, `{"$or":[{"z":[1]},{"b":[{"wildcard":"*"}]}]}`} {
		if err := add(text); err == nil || !strings.Contains(err.Error(), "11 different lists") || !strings.Contains(err.Error(), "at most 10 are allowed") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := ruleNumbers(s, `{"a":"x-3"}`); len(got) != 10 { // nine that are not x-3, and a wildcard
		t.Errorf("rules %v match", got)
	}
	s.Remove(1)
	if err := add(`{"a":[{"anything-but":["y"]}]}`); err != nil {
		t.Errorf("after one is gone: %v", err)
	}
}

// TestRefilled builds a set at its limit again, in another order.
func TestRefilled(t *testing.T) {
	s := newCompiledSet()
	s.bytesMax = 20_000
	var patterns []*Pattern
	for i := range 1000 {
		p := mustParse(t, `{"source":["s-%d"],"a":[{"prefix":"p-%d"},{"numeric":["<",%d]}]}`, i%7, i, i)
		if s.Add(uint32(i), p) != nil {
			break
		}
		patterns = append(patterns, p)
	}
	again := newCompiledSet()
	again.bytesMax = s.bytesMax
	for i := range patterns {
		if err := again.Add(uint32(i), patterns[len(patterns)-1-i]); err != nil {
			t.Fatalf("rule %d of %d: %v", i, len(patterns), err)
		}
	}
}
