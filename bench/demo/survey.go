package demo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// survey is what the events of an unknown file have in common, for patterns that
// match some of them. It may be wrong about a file without any harm: what should
// arrive is decided by evaluating the patterns.
type survey struct {
	lines   int
	sources []string // the most frequent first
	kinds   []string // detail-types, likewise
	leaves  []surveyedLeaf
}

// surveyedLeaf is a path below detail, outside arrays, to leaves.
type surveyedLeaf struct {
	path    []string
	lines   int // that have it
	numbers []float64
}

// surveyLeavesMax bounds the paths that a survey remembers; those of the first
// lines win.
const surveyLeavesMax = 10_000

func surveyOf(lines []dataLine) survey {
	sources, kinds, leaves := map[string]int{}, map[string]int{}, map[string]*surveyedLeaf{}
	for _, line := range lines {
		var event struct {
			Source string         `json:"source"`
			Kind   string         `json:"detail-type"` //nolint:tagliatelle // EventBridge's name
			Detail map[string]any `json:"detail"`
		}
		// An envelope may have a detail that is no object, or a source that is
		// no string. Such a line is an event all the same, and teaches nothing.
		if err := json.NewDecoder(bytes.NewReader(line.event)).Decode(&event); err != nil {
			continue
		}
		sources[event.Source]++
		kinds[event.Kind]++
		collectLeaves(leaves, nil, event.Detail)
	}
	found := survey{lines: len(lines), sources: byFrequency(sources), kinds: byFrequency(kinds)}
	for _, name := range slices.Sorted(maps.Keys(leaves)) {
		found.leaves = append(found.leaves, *leaves[name])
	}
	return found
}

func collectLeaves(into map[string]*surveyedLeaf, above []string, object map[string]any) {
	for name, value := range object {
		if name == "" || strings.ContainsAny(name, "$.") {
			continue // "$or" and dots mean something of their own in a pattern
		}
		path := append(slices.Clone(above), name)
		switch value := value.(type) {
		case map[string]any:
			collectLeaves(into, path, value)
		case []any:
		default:
			key := strings.Join(path, ".")
			leaf, ok := into[key]
			if !ok && len(into) < surveyLeavesMax {
				leaf = &surveyedLeaf{path: path}
				into[key] = leaf
			}
			if leaf == nil {
				continue
			}
			leaf.lines++
			if number, ok := value.(float64); ok {
				leaf.numbers = append(leaf.numbers, number)
			}
		}
	}
}

// byFrequency lists what was counted, the most frequent first, equals by name.
func byFrequency(counted map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counted), func(a, b string) int {
		return cmp.Or(cmp.Compare(counted[b], counted[a]), cmp.Compare(a, b))
	})
}

// surveySubscriptions asks for what the survey found.
func surveySubscriptions(s survey) []Subscription {
	source, kind := nth(s.sources, 0), nth(s.kinds, 0)
	otherSource, otherKind := nth(s.sources, -1), nth(s.kinds, -1)
	words := strings.Fields(kind + " ?")
	lastWord := words[max(0, len(words)-2)]
	half := s.leafNear(func(l surveyedLeaf) int { return abs(2*l.lines - s.lines) })
	numeric := s.leafNear(func(l surveyedLeaf) int { return -len(l.numbers) })
	middle := 0.0
	if n := len(numeric.numbers); n > 0 {
		slices.Sort(numeric.numbers)
		middle = numeric.numbers[n/2]
	}
	return []Subscription{
		{Name: "one-kind", Ordered: true, Pattern: pattern("detail-type", kind)},
		{Name: "kinds-like", Pattern: pattern("detail-type", operator("prefix", words[0]))},
		{Name: "kinds-ending", Pattern: pattern("detail-type", operator("suffix", lastWord))},
		{Name: "kinds-with", Members: []string{"left", "right"}, Pattern: pattern("detail-type", operator("wildcard", "*"+escapeStars(lastWord)+"*"))},
		{Name: "any-case", Pattern: pattern("detail-type", operator("equals-ignore-case", strings.ToUpper(otherKind)))},
		{Name: "one-source", Members: []string{"left", "right"}, Pattern: pattern("source", source)},
		{Name: "other-sources", Pattern: pattern("source", operator("anything-but", []string{source}))},
		{Name: "numbers", Pattern: detailPattern(numeric.path, operator("numeric", []any{">=", middle}))},
		{Name: "having", Ordered: true, Pattern: detailPattern(half.path, operator("exists", true))},
		{Name: "lacking", Pattern: detailPattern(half.path, operator("exists", false))},
		{Name: "either", Members: []string{"left", "right"}, Pattern: jsonText(map[string]any{"$or": []any{
			map[string]any{"source": []any{otherSource}}, map[string]any{"detail-type": []any{kind}},
		}})},
		{Name: "archive"},
	}
}

// leafNear returns the leaf with the least distance; one named "none" if the
// events have none at all.
func (s survey) leafNear(distance func(surveyedLeaf) int) surveyedLeaf {
	if len(s.leaves) == 0 {
		return surveyedLeaf{path: []string{"none"}}
	}
	return slices.MinFunc(s.leaves, func(a, b surveyedLeaf) int { return cmp.Compare(distance(a), distance(b)) })
}

// nth is the name at an index, from the end where it is negative; "none" where
// there is nothing.
func nth(names []string, index int) string {
	if len(names) == 0 {
		return "none"
	}
	return names[(index+len(names))%len(names)]
}

func abs(n int) int { return max(n, -n) }

func escapeStars(text string) string { return strings.NewReplacer(`\`, `\\`, `*`, `\*`).Replace(text) }

func operator(name string, operand any) any { return map[string]any{name: operand} }

// pattern is {"name":[alternative]}.
func pattern(name string, alternative any) string {
	return jsonText(map[string]any{name: []any{alternative}})
}

// detailPattern is {"detail":{"path":{"below":[alternative]}}}.
func detailPattern(path []string, alternative any) string {
	var inner any = []any{alternative}
	for _, name := range slices.Backward(path) {
		inner = map[string]any{name: inner}
	}
	return jsonText(map[string]any{"detail": inner})
}

// jsonText is a value's JSON. Maps, lists, strings, booleans and finite numbers
// always have one.
func jsonText(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // people read it
	if err := encoder.Encode(value); err != nil {
		panic("demo: a pattern has no JSON: " + err.Error())
	}
	return strings.TrimSuffix(text.String(), "\n")
}
