package matcher_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// TestCompiledAllocatesNothing holds the compiled engine to Program's word, with rules of many kinds.
func TestCompiledAllocatesNothing(t *testing.T) {
	set := matcher.Compiled.NewSet()
	for i := range 1000 {
		if err := set.Add(uint32(i), parse(t, mixed(i))); err != nil {
			t.Fatal(err)
		}
	}
	program, block := set.Snapshot(), events(300)
	var m matcher.Matches
	program.MatchBlock(block, &m)
	if len(m.Rules()) == 0 {
		t.Error("nothing matched: the test says little")
	}
	if n := testing.AllocsPerRun(20, func() { program.MatchBlock(block, &m) }); n > 0 {
		t.Errorf("a block costs %v allocations", n)
	}
}

// TestCompiledShrinks fills a set and empties it again, several times: numbers of nodes, checks, branches and lists are used again,
// and what is left answers as a new set does.
func TestCompiledShrinks(t *testing.T) {
	set := matcher.Compiled.NewSet()
	var m matcher.Matches
	for round := range 4 {
		for i := range 2000 {
			text := fmt.Sprintf(`{"field-%d":{"b":["v-%d",{"prefix":"p%d"}]},"c":[{"numeric":["<",%d]},{"exists":false}]}`, (i+round)%700, i, i%9, i)
			if err := set.Add(uint32(i), parse(t, text)); err != nil {
				t.Fatal(err)
			}
		}
		set.Snapshot()
		for i := range 2000 {
			set.Remove(uint32(i))
		}
		if err := set.Add(7, parse(t, `{"field-1":{"b":["v-1"]}}`)); err != nil {
			t.Fatal(err)
		}
		for event, want := range map[string]int{`{"field-1":{"b":"v-1"}}`: 1, `{"field-1":{"b":"p1"}}`: 0, `{"field-2":{"b":"v-2"}}`: 0} {
			set.Snapshot().MatchBlock([]matcher.Event{{JSON: []byte(event)}}, &m)
			if len(m.Rules()) != want {
				t.Errorf("round %d: %d rules match %s, want %d", round, len(m.Rules()), event, want)
			}
		}
		set.Remove(7)
	}
}

// TestSharedPatterns lets many rules come and go with few patterns between them, and asks old snapshots again after later changes.
func TestSharedPatterns(t *testing.T) {
	texts := []string{`{"a":["x"]}`, `{"a":["y"]}`, `{"a":["x"],"b":[{"numeric":[">",3]}]}`, `{"b":[{"numeric":[">",3]}], "a":["x"]}`, `{"$or":[{"a":["x"]},{"b":[4]}]}`}
	block := []matcher.Event{{JSON: []byte(`{"a":"x","b":4}`)}, {JSON: []byte(`{"a":"y","b":4}`)}, {JSON: []byte(`{"a":"x","b":2}`)}, {JSON: []byte(`{"a":"z"}`)}}
	random := rand.New(rand.NewPCG(1, 2))
	compiled, plain := matcher.Compiled.NewSet(), matcher.Plain.NewSet()
	type pair struct{ compiled, plain matcher.Program }
	var kept []pair
	for step := range 2000 {
		id := random.Uint32N(30)
		if random.IntN(3) == 0 {
			compiled.Remove(id)
			plain.Remove(id)
		} else {
			text := texts[random.IntN(len(texts))]
			for _, set := range []matcher.Set{compiled, plain} {
				if err := set.Add(id, parse(t, text)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if random.IntN(4) == 0 {
			kept = append(kept, pair{compiled.Snapshot(), plain.Snapshot()})
		}
		if len(kept) == 0 {
			continue
		}
		at := kept[random.IntN(len(kept))]
		var got, want matcher.Matches
		at.compiled.MatchBlock(block, &got)
		at.plain.MatchBlock(block, &want)
		if !reflect.DeepEqual(got.Rules(), want.Rules()) {
			t.Fatalf("step %d: version %d answers %v, the twin %v", step, at.compiled.Version(), got.Rules(), want.Rules())
		}
	}
}
