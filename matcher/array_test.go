package matcher

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// twinLeaf is a leaf as SEMANTICS of arrays are told in PATTERNS.md: a path, a value, and for each array around it the element.
type twinLeaf struct {
	path  string
	value int
	in    map[int]int // array to element
}

// twinEvent writes a random event and notes its leaves as it goes.
type twinEvent struct {
	r      *rand.Rand
	text   strings.Builder
	leaves []twinLeaf
	arrays int
}

func (e *twinEvent) object(path string, in map[int]int, depth int) {
	e.text.WriteByte('{')
	for i := range 1 + e.r.IntN(3) {
		if i > 0 {
			e.text.WriteByte(',')
		}
		name := []string{"a", "b", "c", "a.b", "a-", "b-"}[e.r.IntN(6)] // names repeat, and meet dotted ones
		fmt.Fprintf(&e.text, "%q:", name)
		below := name
		if path != "" {
			below = path + "." + name
		}
		e.value(below, in, depth)
	}
	e.text.WriteByte('}')
}

func (e *twinEvent) value(path string, in map[int]int, depth int) {
	switch n := e.r.IntN(6); {
	case depth > 0 && n < 2:
		e.object(path, in, depth-1)
	case depth > 0 && n < 5:
		array := e.arrays
		e.arrays++
		e.text.WriteByte('[')
		for i := range 1 + e.r.IntN(3) {
			if i > 0 {
				e.text.WriteByte(',')
			}
			inner := maps.Clone(in)
			inner[array] = i
			switch e.r.IntN(4) {
			case 0:
				e.value(path, in, 0) // a scalar lies in the array's surroundings
			default:
				e.element(path, inner, depth-1)
			}
		}
		e.text.WriteByte(']')
	default:
		v := e.r.IntN(3)
		fmt.Fprint(&e.text, v)
		e.leaves = append(e.leaves, twinLeaf{path: path, value: v, in: in})
	}
}

// element writes an object or a list.
func (e *twinEvent) element(path string, in map[int]int, depth int) {
	if e.r.IntN(5) > 0 || depth == 0 {
		e.object(path, in, depth)
		return
	}
	array := e.arrays
	e.arrays++
	e.text.WriteByte('[')
	for i := range e.r.IntN(3) {
		if i > 0 {
			e.text.WriteByte(',')
		}
		inner := maps.Clone(in)
		inner[array] = i
		if e.r.IntN(2) == 0 {
			e.value(path, in, 0)
		} else {
			e.element(path, inner, depth-1)
		}
	}
	e.text.WriteByte(']')
}

// twinField is a field: values that it accepts, and whether it accepts absence.
type twinField struct {
	path    string
	values  []int
	absence bool
}

// twinMatch tries every leaf for every field, in the order of the paths.
func twinMatch(fields []twinField, leaves []twinLeaf, bound map[int]int) bool {
	if len(fields) == 0 {
		return true
	}
	f := fields[0]
	absent := true
	for _, l := range leaves {
		if l.path != f.path || !agree(bound, l.in) {
			continue
		}
		absent = false
		if slices.Contains(f.values, l.value) {
			both := maps.Clone(bound)
			maps.Copy(both, l.in)
			if twinMatch(fields[1:], leaves, both) {
				return true
			}
		}
	}
	return f.absence && absent && twinMatch(fields[1:], leaves, bound)
}

func agree(bound, in map[int]int) bool {
	for array, i := range in {
		if j, ok := bound[array]; ok && i != j {
			return false
		}
	}
	return true
}

// TestArraysAgainstTwin compares the search with one that has no cleverness at all.
func TestArraysAgainstTwin(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	matched, missed := 0, 0
	for round := range 3000 {
		e := twinEvent{r: r}
		e.object("", map[int]int{}, 5)
		fields, pattern := twinPattern(r, e.leaves)
		p, err := Parse([]byte(pattern))
		if err != nil {
			t.Fatal(err)
		}
		want := twinMatch(fields, e.leaves, map[int]int{})
		event := Event{JSON: []byte(e.text.String())}
		if got := p.Match(event); got != want {
			t.Fatalf("seed %d, round %d: %t, want %t\npattern %s\nevent %s\n%s", seed, round, got, want, pattern, e.text.String(), p.Explain(event))
		}
		if x := p.Explain(event); x.Matched != want {
			t.Fatalf("seed %d, round %d: explained as %t, want %t\npattern %s\nevent %s", seed, round, x.Matched, want, pattern, e.text.String())
		}
		if want {
			matched++
		} else if len(e.leaves) > 3 {
			missed++
		}
	}
	if matched < 450 || missed < 450 {
		t.Errorf("%d matched and %d did not: the test says little", matched, missed)
	}
}

// twinPattern draws fields, most of them with paths and values of the event.
func twinPattern(r *rand.Rand, leaves []twinLeaf) ([]twinField, string) {
	byPath := map[string]twinField{}
	for range 1 + r.IntN(5) {
		l := twinLeaf{path: "a", value: 1}
		if len(leaves) > 0 {
			l = leaves[r.IntN(len(leaves))]
		}
		f := twinField{path: l.path, values: []int{l.value}}
		switch r.IntN(6) {
		case 0:
			f.values, f.absence = nil, true
		case 1:
			f.absence = true
		case 2:
			f.values = append(f.values, r.IntN(3))
		}
		byPath[f.path] = f
	}
	var members []string
	for _, path := range slices.Sorted(maps.Keys(byPath)) { // ASCII only: bytes and UTF-16 agree
		f := byPath[path]
		var list []string
		for _, v := range f.values {
			list = append(list, fmt.Sprint(v))
		}
		if f.absence {
			list = append(list, `{"exists":false}`)
		}
		members = append(members, fmt.Sprintf("%q:[%s]", path, strings.Join(list, ",")))
	}
	fields := make([]twinField, 0, len(byPath))
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		fields = append(fields, byPath[path])
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return fields, "{" + strings.Join(members, ",") + "}"
}

// TestArraySearchIsBounded counts the steps of the search where trying every combination would take ages.
func TestArraySearchIsBounded(t *testing.T) {
	many := func(n int, format string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = strings.ReplaceAll(format, "#", strconv.Itoa(i))
		}
		return strings.Join(list, ",")
	}
	for _, c := range []struct {
		name    string
		pattern string
		event   string
		matched bool
		perLeaf int // steps that are enough, per leaf of the event

	}{
		{
			name:    "three fields that two thousand elements have, but none has all as wanted",
			pattern: `{"m":{"a":[1],"b":[2],"c":[3]}}`,
			event:   `{"m":[` + many(1000, `{"a":1,"b":2,"c":0},{"a":1,"b":0,"c":3}`) + `]}`,
			perLeaf: 20,
		},
		{
			name:    "the last element has it all",
			pattern: `{"m":{"a":[1],"b":[2],"c":[3]}}`,
			event:   `{"m":[` + many(2000, `{"a":1,"b":2,"c":0}`) + `,{"a":1,"b":2,"c":3}]}`,
			matched: true,
			perLeaf: 20,
		},
		{
			name:    "ten arrays that don't care about each other, and an eleventh that fails",
			pattern: `{` + many(10, `"m#":{"a":[1]}`) + `,"n":{"a":[1],"b":[1]}}`,
			event:   `{` + many(10, `"m#":[{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1}]`) + `,"n":[{"a":1},{"b":1}]}`,
			perLeaf: 60,
		},
		{
			name:    "arrays in arrays",
			pattern: `{"m":{"a":[1],"n":{"x":[1],"y":[2]},"z":[3]}}`,
			event:   `{"m":[` + many(300, `{"a":1,"z":0,"n":[{"x":1,"y":2},{"x":1},{"y":2}]},{"a":1,"z":3,"n":[{"x":1},{"y":2}]}`) + `]}`,
			perLeaf: 30,
		},
	} {
		p, err := Parse([]byte(c.pattern))
		if err != nil {
			t.Fatal(err)
		}
		e := ParseEvent(Event{JSON: []byte(c.event)})
		if e.Err() != nil {
			t.Fatal(e.Err())
		}
		ok, s := newJudgement(p, e).branch(p.branches[0])
		if ok != c.matched {
			t.Errorf("%s: %t, want %t", c.name, ok, c.matched)
		}
		steps := searchStepsFixed + searchStepsPerValue*len(e.leaves) - s.steps
		if enough := c.perLeaf * len(e.leaves); steps > enough {
			t.Errorf("%s: took %d steps for %d leaves, %d should be enough", c.name, steps, len(e.leaves), enough)
		}
	}
}

// TestArraySearchGivesUp: thirty pigeons, twenty-nine holes. Repeated names make the arrays share a path, and every field could be
// found in any of them.
func TestArraySearchGivesUp(t *testing.T) {
	var fields, elements, arrays []string
	for i := range 30 {
		fields = append(fields, fmt.Sprintf(`"f%02d":[1]`, i))
		elements = append(elements, fmt.Sprintf(`{"f%02d":1}`, i))
	}
	for range 29 {
		arrays = append(arrays, `"m":[`+strings.Join(elements, ",")+`]`)
	}
	p, err := Parse([]byte(`{"m":{` + strings.Join(fields, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	event := Event{JSON: []byte(`{` + strings.Join(arrays, ",") + `}`)}
	x := p.Explain(event)
	if p.Match(event) || x.Matched || !strings.HasPrefix(x.Branches[0].Why, "gave up after") {
		t.Errorf("got %s", x)
	}
	arrays = append(arrays, arrays[0])
	if !p.Match(Event{JSON: []byte(`{` + strings.Join(arrays, ",") + `}`)}) {
		t.Error("with a hole for each pigeon there is no match")
	}
}
