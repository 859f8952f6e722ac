package matcher_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// neverThere is the id of a rule that matches every event that is one, but for those that hold "never there".
const neverThere = 100

// FuzzScanner gives the scanner any bytes. It judges them as CheckJSON and ParseEvent do, whatever the rules look at.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{
		`{}`, ` {"a" : [ 1 , {"b":null}, [] ] }`, `{"a":"\ud83d\ude00\n\u00e9é"}`, `{"a":"\ud83d"}`, `{"a":01}`, `{"a":-1.5e+9}`,
		`{"a":tru}`, `{"a":1,}`, `{"a":[1,]}`, `{"a" 1}`, "\ufeff{}", `{"a":1}x`, `[1]`, `{"a":"` + "\x01" + `"}`, `{"a":"` + "\xff" + `"}`,
		`{"a.b":{"c":"\u0061"}}`, `{"\u0061":{"":1}}`, `{"a":{"b":[[{"c":1}]]}}`, "{\n        \"a\": true\n}", `{"a":"\u12`,
	} {
		f.Add([]byte(text))
	}
	sets := make([]matcher.Program, 0, 3)
	patterns := []string{`{"a":[{"exists":true}]}`, `{"a":{"b":[{"exists":true}],"c":[{"exists":false}]}}`, `{"x":[{"exists":false}]}`}
	for _, rules := range [][]string{patterns[:1], patterns[1:2], patterns} {
		set := matcher.Compiled.NewSet()
		for i, text := range rules {
			if err := set.Add(uint32(i), parse(f, text)); err != nil {
				f.Fatal(err)
			}
		}
		if err := set.Add(neverThere, parse(f, `{"never there":[{"exists":false}]}`)); err != nil {
			f.Fatal(err)
		}
		sets = append(sets, set.Snapshot())
	}
	var m matcher.Matches
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("never")) || bytes.Contains(text, []byte(`\u`)) && bytes.Contains(text, []byte("there")) {
			return
		}
		event := matcher.Event{JSON: append([]byte{}, text...)}
		check, parsed := matcher.CheckJSON(text), matcher.ParseEvent(event)
		if (check == nil) != (parsed.Err() == nil) {
			t.Fatalf("CheckJSON says %v, ParseEvent %v", check, parsed.Err())
		}
		for i, program := range sets {
			// Twice, so that the names of the second are guessed from the first; and beside one that is valid.
			program.MatchBlock([]matcher.Event{event, event, {JSON: []byte(`{"a":{"b":[1]}}`)}, event}, &m)
			never, _ := m.Find(neverThere)
			for at, valid := range []bool{check == nil, check == nil, true, check == nil} {
				if never.Has(at) != valid {
					t.Fatalf("set %d, event %d: valid %t, CheckJSON says %v", i, at, !valid, check)
				}
			}
		}
		if !bytes.Equal(text, event.JSON) {
			t.Fatal("the event was written to")
		}
	})
}

// pairsReported is after how many runs a fuzzing worker writes its counts down.
const pairsReported = 10_000

// pairs counts what FuzzCompiledAgainstPlain saw.
type pairs struct{ patterns, refused, pairs, matched atomic.Int64 }

func (p *pairs) String() string {
	part := func(n, of int64) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	return fmt.Sprintf("%d patterns, %.1f %% invalid; %d pairs, %.1f %% match",
		p.patterns.Load(), part(p.refused.Load(), p.patterns.Load()), p.pairs.Load(), part(p.matched.Load(), p.pairs.Load()))
}

// FuzzCompiledAgainstPlain makes sets of rules and blocks of events out of bytes, changes the sets, and holds the compiled engine
// against the plain one at every version. Bytes that the fuzzer finds are decisions of the generator (generate_test.go), so that
// most patterns are valid and many events match; the rest of the fuzzer's bytes goes in as text.
func FuzzCompiledAgainstPlain(f *testing.F) {
	draw := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		seed := make([]byte, 1200)
		for i := range seed {
			seed[i] = byte(draw.Uint32())
		}
		f.Add(seed, []byte(`{"a":[1]}`), []byte(`{"a":1}`))
	}
	var seen pairs
	f.Cleanup(func() { f.Log(&seen) })
	var runs atomic.Int64
	f.Fuzz(func(t *testing.T, decisions, text, event []byte) {
		comparison := newComparison(t, &seen, &generator{bytes: decisions})
		comparison.run(text, event)
		if runs.Add(1)%pairsReported == 0 {
			seen.report(t)
		}
	})
}

// report writes the counts to the file that FRESHET_FUZZ_COUNTS names, as nobody sees what a fuzzing worker prints.
func (p *pairs) report(t *testing.T) {
	t.Helper()
	name := os.Getenv("FRESHET_FUZZ_COUNTS")
	if name == "" {
		return
	}
	if err := os.WriteFile(name, []byte(p.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// comparison is one set on both engines.
type comparison struct {
	t        *testing.T
	seen     *pairs
	draw     *generator
	compiled matcher.Set
	plain    matcher.Set
	held     map[uint32]*matcher.Pattern
	m        matcher.Matches
	want     matcher.Matches
}

func newComparison(t *testing.T, seen *pairs, draw *generator) *comparison {
	return &comparison{
		t: t, seen: seen, draw: draw, compiled: matcher.Compiled.NewSet(), plain: matcher.Plain.NewSet(),
		held: make(map[uint32]*matcher.Pattern),
	}
}

// run changes the set a few times, and compares in between. Programs of earlier versions have to stay as they were.
func (c *comparison) run(text, event []byte) {
	type version struct {
		compiled, plain matcher.Program
		held            map[uint32]*matcher.Pattern
	}
	block := []matcher.Event{{JSON: append([]byte{}, event...)}}
	for range 1 + c.draw.intn(3) {
		block = append(block, c.draw.event())
	}
	if c.draw.intn(3) > 0 {
		block = block[1:] // the fuzzer's own text is seldom an event
	}
	var versions []version
	c.add(text)
	for range 1 + c.draw.intn(4) {
		for range 1 + c.draw.intn(8) {
			if c.draw.intn(5) == 0 {
				c.remove()
			} else {
				c.add([]byte(c.draw.pattern()))
			}
		}
		versions = append(versions, version{c.compiled.Snapshot(), c.plain.Snapshot(), maps.Clone(c.held)})
	}
	for _, v := range versions {
		v.compiled.MatchBlock(block, &c.m)
		v.plain.MatchBlock(block, &c.want)
		c.compare(block, v.held)
	}
}

func (c *comparison) add(text []byte) {
	c.seen.patterns.Add(1)
	p, err := matcher.Parse(text)
	if err != nil {
		c.seen.refused.Add(1)
		return
	}
	id := uint32(c.draw.intn(12))
	if err := c.compiled.Add(id, p); err != nil {
		c.t.Fatal(err)
	}
	if err := c.plain.Add(id, p); err != nil {
		c.t.Fatal(err)
	}
	c.held[id] = p
}

func (c *comparison) remove() {
	id := uint32(c.draw.intn(12))
	c.compiled.Remove(id)
	c.plain.Remove(id)
	delete(c.held, id)
}

func (c *comparison) compare(block []matcher.Event, held map[uint32]*matcher.Pattern) {
	for id := range held {
		got, listed := c.m.Find(id)
		want, wanted := c.want.Find(id)
		for i, e := range block {
			c.seen.pairs.Add(1)
			is, should := listed && got.Has(i), wanted && want.Has(i)
			if should {
				c.seen.matched.Add(1)
			}
			if is != should {
				c.t.Fatalf("rule %d, event %d: compiled says %t, plain %t\npattern %s\nevent %q %q\nrules %v", id, i, is, should, held[id], e.JSON, e.Attributes, held)
			}
		}
		if listed && wanted && got.All() != want.All() {
			c.t.Fatalf("rule %d: All is %t and should be %t", id, got.All(), want.All())
		}
	}
	if len(c.m.Rules()) != len(c.want.Rules()) {
		c.t.Fatalf("%d rules are listed, %d should be", len(c.m.Rules()), len(c.want.Rules()))
	}
}
