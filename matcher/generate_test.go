package matcher_test

import (
	"fmt"
	"strings"

	"github.com/freshet-mq/freshet/matcher"
)

// generator makes patterns and events out of a list of decisions. Both draw from the same small stock of names and values, so that
// they meet often. When the decisions are used up it goes on with what follows from them.
type generator struct {
	bytes []byte
	at    int
	state uint32
	// path is where in an event the generator is; seen are the values of events so far, for patterns that mean them.
	path []string
	seen []seenValue
}

type seenValue struct{ path, text string }

func (g *generator) intn(n int) int {
	if g.at < len(g.bytes) {
		g.state = g.state*31 + uint32(g.bytes[g.at])
		g.at++
		return int(g.state % uint32(n))
	}
	g.state = g.state*1664525 + 1013904223
	return int(g.state>>8) % n
}

func (g *generator) pick(list ...string) string { return list[g.intn(len(list))] }

func (g *generator) name() string {
	return g.pick("a", "a", "a", "b", "b", "c", "a.b", "b.c", "", "source", "detail-type", `\u0061`, "é", "a.", "\U0001F600", "\uffee")
}

// text is what stands between quotation marks in a string.
func (g *generator) text() string {
	return g.pick("", "a", "ab", "abc", "abcabc", "xabc", "ABC", "aBc", `\u0061bc`, "a*c", `q\"x`, "1", "10.0.0.1", "010.0.0.1", "10.1.2.3", "::1", "0:0::1",
		"::ffff:a00:1", "straße", "STRASSE", "\u212a", "k", "K", "日本語", "com.example.orders.created.v1", "com.example.orders.created.v2",
		"/srv/app/one/two/three.log", "/srv/app/one.log", "com.example.orders.created.v1 "+strings.Repeat("long ", 8), `a\n`)
}

func (g *generator) number() string {
	return g.pick("0", "1", "-0", "1.0", "10e-1", "2", "2.5", "25e-1", "-3", "100", "1e2", "9007199254740993", "0.1", "5e-324", "4.9e-324", "1e400", "123456789012345", "0.30000000000000004", "1.7976931348623157e308")
}

func (g *generator) scalar() string {
	switch g.intn(8) {
	case 0, 1, 2, 3:
		return `"` + g.text() + `"`
	case 4, 5:
		return g.number()
	default:
		return g.pick("true", "false", "null")
	}
}

// quoted puts quotation marks around what is escaped already.
func quoted(inner string) string { return `"` + inner + `"` }

func operator(name, operand string) string { return "{" + quoted(name) + ":" + operand + "}" }

// event is mostly JSON, sometimes broken, sometimes attributes.
func (g *generator) event() matcher.Event {
	switch g.intn(16) {
	case 0:
		var list []matcher.Attribute
		for range g.intn(4) {
			list = append(list, matcher.Attribute{Name: g.name(), Value: g.text()})
		}
		return matcher.Event{Attributes: list}
	case 1:
		text := g.object(0)
		return matcher.Event{JSON: []byte(text[:g.intn(len(text))] + g.pick("", "}", "x", " "))}
	default:
		return matcher.Event{JSON: []byte(g.object(0))}
	}
}

func (g *generator) object(depth int) string {
	var members []string
	for range g.intn(5) {
		name := g.name()
		g.path = append(g.path, name)
		members = append(members, quoted(name)+":"+g.value(depth))
		g.path = g.path[:len(g.path)-1]
	}
	return "{" + strings.Join(members, g.pick(",", ", ", "\n        ,")) + "}"
}

func (g *generator) value(depth int) string {
	kind := g.intn(10)
	switch {
	case depth < 4 && kind < 2:
		return g.object(depth + 1)
	case depth < 4 && kind < 5:
		var elements []string
		for range g.intn(4) {
			if g.intn(3) == 0 {
				elements = append(elements, g.value(depth+1))
			} else {
				elements = append(elements, g.object(depth+1))
			}
		}
		return "[" + strings.Join(elements, ",") + "]"
	default:
		text := g.scalar()
		g.seen = append(g.seen, seenValue{path: strings.Join(g.path, "."), text: text})
		return text
	}
}

// pattern is invalid about one time in four.
func (g *generator) pattern() string {
	text := g.clauses(0)
	switch g.intn(24) {
	case 0, 1, 2, 3:
		return text[:g.intn(len(text))]
	case 4:
		return text + "]"
	default:
		return text
	}
}

func (g *generator) clauses(depth int) string {
	var members []string
	for range 1 + g.intn(5)/3 {
		switch kind := g.intn(24); {
		case kind >= 8 && depth == 0 && len(g.seen) > 0:
			meant := g.seen[g.intn(len(g.seen))]
			members = append(members, quoted(meant.path)+":["+g.meaning(meant.text)+"]")
		case depth < 3 && kind < 3:
			members = append(members, quoted(g.name())+":"+g.clauses(depth+1))
		case depth < 3 && kind == 3:
			members = append(members, fmt.Sprintf(`"$or":[%s,%s]`, g.clauses(depth+1), g.clauses(depth+1)))
		default:
			members = append(members, quoted(g.name())+":"+g.list())
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// meaning is an entry that matches a value, nearly always.
func (g *generator) meaning(text string) string {
	inner := strings.Trim(text, `"`)
	plain := inner != text && !strings.ContainsAny(inner, "\\*") && inner != ""
	switch kind := g.intn(14); {
	case kind < 4:
		return text
	case kind == 4:
		return `{"exists":true}`
	case kind == 5:
		return `{"anything-but":["x","y"]}`
	case kind == 6:
		return `{"anything-but":{"prefix":"zz"}},` + text
	case strings.IndexAny(text, "-0123456789") == 0:
		return operator("numeric", "["+quoted(g.pick("<=", ">=", "="))+","+text+"]")
	case !plain:
		return text
	case kind == 7:
		return operator("prefix", quoted(string([]rune(inner)[:1])))
	case kind == 8:
		return operator("suffix", text)
	case kind == 9:
		return operator("equals-ignore-case", text)
	case kind == 10:
		return operator("wildcard", quoted("*"+inner))
	case kind == 11:
		return operator("wildcard", quoted("*"+inner+"*"))
	case kind == 12:
		return operator("prefix", operator("equals-ignore-case", text))
	default:
		return operator("suffix", operator("equals-ignore-case", text))
	}
}

func (g *generator) list() string {
	var entries []string
	for range 1 + g.intn(10)/7 {
		entries = append(entries, g.entry())
	}
	return "[" + strings.Join(entries, ",") + "]"
}

func (g *generator) entry() string {
	text := `"` + g.text() + `"`
	switch g.intn(22) {
	case 0, 1, 2, 3:
		return text
	case 4:
		return g.number()
	case 5:
		return g.pick("true", "false", "null")
	case 6, 7:
		return operator(g.pick("prefix", "suffix", "equals-ignore-case", "exactly"), text)
	case 8:
		return operator(g.pick("prefix", "suffix"), operator("equals-ignore-case", text))
	case 9, 10:
		return operator("wildcard", quoted(g.pick("*", "a*", "*c", "a*c", "*bc*", "com.*.created*", "*orders*v1*", `a\\*c`, "/srv/app/*o*e*.log", "abc", "", "*example*", "**")))
	case 11, 12:
		return operator("numeric", "["+quoted(g.pick("<", "<=", ">", ">=", "="))+","+g.number()+"]")
	case 13:
		return fmt.Sprintf(`{"numeric":[">=",%s,"<",%s]}`, g.number(), g.number())
	case 14, 15:
		return `{"exists":false}`
	case 16:
		return `{"exists":true}`
	case 17:
		return operator("cidr", quoted(g.pick("10.0.0.0/8", "10.0.0.0/31", "0.0.0.0/0", "::/0", "::/127", "::1/64", "2001:db8::/32", "10.0.0.0/32")))
	case 18:
		return operator("anything-but", text)
	case 19:
		return fmt.Sprintf(`{"anything-but":[%s,%s]}`, g.number(), g.number())
	default:
		return operator("anything-but", operator(g.pick("prefix", "suffix", "equals-ignore-case", "wildcard"), text))
	}
}
