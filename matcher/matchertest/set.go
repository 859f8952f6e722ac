package matchertest

import (
	"fmt"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// set checks what Set and Program promise besides matching.
func (s Suite) set(t *testing.T) {
	t.Run("versions", s.versions)
	t.Run("snapshots stay", s.snapshotsStay)
	t.Run("replacing and removing", s.replacing)
	t.Run("without a pattern", s.withoutPattern)
}

func pattern(t testing.TB, format string, arguments ...any) *matcher.Pattern {
	t.Helper()
	p, err := matcher.Parse(fmt.Appendf(nil, format, arguments...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func event(text string) matcher.Event { return matcher.Event{JSON: []byte(text)} }

// matching lists the rules that match one event.
func matching(p matcher.Program, e matcher.Event) string {
	var m matcher.Matches
	p.MatchBlock([]matcher.Event{e}, &m)
	ids := []uint32{}
	for _, match := range m.Rules() {
		ids = append(ids, match.Rule)
	}
	return fmt.Sprint(ids)
}

func (s Suite) versions(t *testing.T) {
	set := s.Engine.NewSet()
	p := pattern(t, `{"a":[1]}`)
	want := func(version uint64, after string) {
		t.Helper()
		if got := set.Snapshot().Version(); got != version {
			t.Errorf("after %s: version %d, want %d", after, got, version)
		}
	}
	want(0, "nothing")
	add(t, set, 7, p)
	want(1, "adding a rule")
	want(1, "another snapshot")
	add(t, set, 7, p)
	want(2, "replacing it")
	set.Remove(8)
	want(2, "removing what isn't there")
	set.Remove(7)
	want(3, "removing it")
	set.Remove(7)
	want(3, "removing it again")
}

func (s Suite) snapshotsStay(t *testing.T) {
	set := s.Engine.NewSet()
	var programs []matcher.Program
	var wanted []string
	e := event(`{"a":1}`)
	for i := range uint32(20) {
		programs = append(programs, set.Snapshot())
		wanted = append(wanted, matching(set.Snapshot(), e))
		if i%3 == 2 {
			set.Remove(i - 1)
		} else {
			add(t, set, i, pattern(t, `{"a":[%d]}`, i%2))
		}
	}
	for i, p := range programs {
		if got := matching(p, e); got != wanted[i] {
			t.Errorf("snapshot %d found %s when it was new, and %s after more changes", i, wanted[i], got)
		}
	}
}

func (s Suite) replacing(t *testing.T) {
	set := s.Engine.NewSet()
	check := func(e matcher.Event, want string) {
		t.Helper()
		if got := matching(set.Snapshot(), e); got != want {
			t.Errorf("event %s: matched by %s, want %s", e.JSON, got, want)
		}
	}
	one, two := event(`{"a":1}`), event(`{"a":2}`)
	check(one, "[]")
	add(t, set, 4294967295, pattern(t, `{"a":[1]}`))
	add(t, set, 0, pattern(t, `{"a":[1,2]}`))
	add(t, set, 5, pattern(t, `{"a":[2]}`))
	check(one, "[0 4294967295]")
	check(two, "[0 5]")
	add(t, set, 5, pattern(t, `{"a":[1]}`))
	check(one, "[0 5 4294967295]")
	check(two, "[0]")
	set.Remove(0)
	check(one, "[5 4294967295]")
	check(two, "[]")
	set.Remove(5)
	set.Remove(4294967295)
	check(one, "[]")
	add(t, set, 5, pattern(t, `{"b":[{"exists":false}]}`))
	check(one, "[5]")
}

func (s Suite) withoutPattern(t *testing.T) {
	set := s.Engine.NewSet()
	add(t, set, 1, nil)
	add(t, set, 2, pattern(t, `{"a":[{"exists":false}]}`))
	for _, c := range []struct {
		event matcher.Event
		want  string
	}{
		{event(`{}`), "[1 2]"},
		{event(`{"a":1}`), "[1]"},
		{event(`{"b":1} x`), "[1]"},
		{matcher.Event{JSON: []byte{}}, "[1]"},
		{matcher.Event{}, "[1 2]"},
		{matcher.Event{Attributes: []matcher.Attribute{{Name: "a", Value: ""}}}, "[1]"},
	} {
		if got := matching(set.Snapshot(), c.event); got != c.want {
			t.Errorf("event %q: matched by %s, want %s", c.event.JSON, got, c.want)
		}
	}
	set.Remove(1)
	if got := matching(set.Snapshot(), event(`{"a":1}`)); got != "[]" {
		t.Errorf("after the rule without a pattern was removed, %s matched", got)
	}
}
