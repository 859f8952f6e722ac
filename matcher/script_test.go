package matcher_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/freshet-mq/freshet/matcher"
)

// TestScripts runs testdata/scripts: what people get to read, in stories. `go test -run Scripts -rewrite` writes down what is;
// read the diff.
//
//	parse          the input is a pattern: its normal form, or the refusal
//	pattern        the input is a pattern for the events that follow
//	event          the input is an event's JSON: the explanation
//	attributes     the input is name=value lines, of an event that is not JSON
//	lint           the input is a pattern: the findings
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var current *matcher.Pattern
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			switch d.Cmd {
			case "parse":
				p, err := matcher.Parse([]byte(d.Input))
				if err != nil {
					return err.Error() + "\n"
				}
				return p.Normal()
			case "pattern":
				p, err := matcher.Parse([]byte(d.Input))
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				current = p
				return ""
			case "event":
				return explained(t, current, matcher.Event{JSON: []byte(d.Input)})
			case "attributes":
				return explained(t, current, matcher.Event{Attributes: attributes(d.Input)})
			case "lint":
				p, err := matcher.Parse([]byte(d.Input))
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				return lintText(p)
			default:
				d.Fatalf(t, "there is no command %s", d.Cmd)
				return ""
			}
		})
	})
}

// explained renders an explanation, after making sure that it says what Match does.
func explained(t *testing.T, p *matcher.Pattern, e matcher.Event) string {
	t.Helper()
	x := p.Explain(e)
	if matched := p.Match(e); x.Matched != matched {
		t.Errorf("explained as %t, and Match says %t", x.Matched, matched)
	}
	return x.String()
}

func attributes(lines string) []matcher.Attribute {
	var list []matcher.Attribute
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		list = append(list, matcher.Attribute{Name: name, Value: value})
	}
	return list
}

func lintText(p *matcher.Pattern) string {
	var b strings.Builder
	for _, f := range p.Lint() {
		fmt.Fprintln(&b, f)
	}
	if b.Len() == 0 {
		return "nothing to remark\n"
	}
	return b.String()
}
