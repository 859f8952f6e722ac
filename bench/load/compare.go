package load

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Difference is a figure of two runs.
type Difference struct {
	// Name is the figure's in JSON, such as "latency_ms.p99".
	Name string
	// Earlier and Now are its values, empty where a run doesn't have it.
	Earlier, Now string
	// Ratio is Now by Earlier, "1.20x"; empty where that says nothing.
	Ratio string
}

func (d Difference) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s, earlier %s %s", d.Name, d.Now, d.Earlier, d.Ratio))
}

// comparedOthers are figures that differ without anything being different.
var comparedOthers = map[string]bool{"duration_s": true, "bottleneck": true, "faults": true}

// Compare returns what is different from an earlier run, of which earlier is the JSON: what the run was
// first, then the figures, in the order of the report.
func Compare(earlier []byte, now *Report) ([]Difference, error) {
	before, err := flatten(earlier)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotComparable, err)
	}
	if !before.has("published_per_s") {
		return nil, fmt.Errorf("%w: it has no published_per_s", ErrNotComparable)
	}
	text, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	after, err := flatten(text)
	if err != nil {
		return nil, err
	}
	var all []Difference
	for _, name := range after.names {
		old, is := before.values[name], after.values[name]
		if old == is || comparedOthers[name] {
			continue
		}
		d := Difference{Name: name, Earlier: shown(old), Now: shown(is)}
		a, okA := old.(float64)
		b, okB := is.(float64)
		if okA && okB && a != 0 {
			d.Ratio = fmt.Sprintf("%.2fx", b/a)
		}
		all = append(all, d)
	}
	return all, nil
}

// flat is an object's members that aren't objects, in their order, by names with dots.
type flat struct {
	names  []string
	values map[string]any
}

func (f *flat) has(name string) bool { _, ok := f.values[name]; return ok }

// flatten reads one JSON object. Arrays are taken as text.
func flatten(text []byte) (*flat, error) {
	f := &flat{values: map[string]any{}}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('{') {
		return nil, fmt.Errorf("it begins with %v, not with an object", token)
	}
	if err := f.object(decoder, ""); err != nil {
		return nil, err
	}
	return f, nil
}

// object reads the members of an object whose brace has been read. Reports are nested twice at most.
func (f *flat) object(decoder *json.Decoder, within string) error {
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		full := fmt.Sprint(within, name)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if value[0] == '{' && within == "" {
			inner := json.NewDecoder(strings.NewReader(string(value)))
			if _, err := inner.Token(); err != nil {
				return err
			}
			if err := f.object(inner, full+"."); err != nil {
				return err
			}
			continue
		}
		f.names = append(f.names, full)
		f.values[full] = scalar(value)
	}
	return nil
}

// scalar is a value that can be compared.
func scalar(value json.RawMessage) any {
	var v any
	if err := json.Unmarshal(value, &v); err == nil {
		switch v.(type) {
		case float64, string, bool, nil:
			return v
		}
	}
	return string(value)
}

func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case float64:
		if v == math.Trunc(v) || math.Abs(v) >= 1000 {
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return fmt.Sprint(value)
}
