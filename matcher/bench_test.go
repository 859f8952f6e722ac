package matcher_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// envelope is an event in EventBridge's envelope, of about 380 bytes.
func envelope(i int) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"0198e3a1-7c5e-7b11-9d55-%012d","detail-type":"Order Created","source":"com.shop.%d","account":"123456789012","time":"2026-01-20T10:00:00Z","region":"eu-central-1","resources":["arn:shop:order/%d"],"detail":{"order_id":"%d","price":%d.62,"currency":"AU","items":[{"sku":"a-%d","n":1},{"sku":"b","n":2}],"customer":{"tier":"gold"}}}`,
		i, i%100, i, i, i%1000, i%7)
}

func events(n int) []matcher.Event {
	list := make([]matcher.Event, n)
	for i := range list {
		list[i].JSON = envelope(i)
	}
	return list
}

// mixed is rule i of a set like those of a broker: most by source and detail-type, some by ranges, prefixes and others.
func mixed(i int) string {
	source := fmt.Sprintf(`"source":["com.shop.%d"]`, i)
	switch k := i % 20; {
	case k < 12:
		return `{` + source + `,"detail-type":["Order Created"]}`
	case k < 15:
		return fmt.Sprintf(`{%s,"detail":{"price":[{"numeric":[">",%d]}]}}`, source, i%1000)
	case k < 17:
		return `{` + source + `,"detail":{"items":{"sku":[{"prefix":"a"}]}}}`
	case k < 18:
		return `{` + source + `,"detail":{"currency":[{"anything-but":["US","CA"]}]}}`
	case k < 19:
		return `{` + source + `,"resources":[{"wildcard":"arn:*:order/*"}]}`
	default:
		return `{` + source + `,"detail":{"coupon":[{"exists":false}]}}`
	}
}

func parse(tb testing.TB, text string) *matcher.Pattern {
	tb.Helper()
	p, err := matcher.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"source":["com.orders"],"detail":{"price":[{"numeric":[">",20,"<=",30]}],"state":[{"anything-but":{"prefix":["x","y"]}}],"name":[{"equals-ignore-case":"straße"}]}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := matcher.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseEvent is what the plain engine spends before any rule; json.Valid is the yardstick.
func BenchmarkParseEvent(b *testing.B) {
	event := matcher.Event{JSON: envelope(1)}
	for name, read := range map[string]func() bool{
		"json.Valid": func() bool { return json.Valid(event.JSON) },
		"CheckJSON":  func() bool { return matcher.CheckJSON(event.JSON) == nil },
		"ParseEvent": func() bool { return matcher.ParseEvent(event).Err() == nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(event.JSON)))
			b.ReportAllocs()
			for b.Loop() {
				if !read() {
					b.Fatal("no event")
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	event := matcher.Event{JSON: envelope(1)}
	for name, text := range map[string]string{
		"exact":   `{"source":["com.shop.1"],"detail-type":["Order Created"]}`,
		"numeric": `{"detail":{"price":[{"numeric":[">",0,"<=",30]}]}}`,
		"array":   `{"detail":{"items":{"sku":["b"],"n":[2]}}}`,
		"absent":  `{"detail":{"coupon":[{"exists":false}]}}`,
		"miss":    `{"source":["com.shop.2"]}`,
	} {
		p := parse(b, text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(event)
			}
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	event := matcher.Event{JSON: envelope(1)}
	p := parse(b, `{"source":["com.shop.1"],"detail":{"price":[{"numeric":[">",20,"<=",30]}],"items":{"sku":["b"],"n":[1]}}}`)
	b.ReportAllocs()
	for b.Loop() {
		p.Explain(event)
	}
}

// BenchmarkMatchBlock puts blocks of 256 events to sets, on every engine; the figures are for an event.
func BenchmarkMatchBlock(b *testing.B) {
	twoThousand := `{"m":[` + strings.TrimSuffix(strings.Repeat(`{"a":1,"b":2,"c":3,"d":"xyz"},`, 2000), ",") + `]}`
	for _, engine := range matcher.Engines() {
		for _, c := range []struct {
			name   string
			rules  int
			rule   func(i int) string
			events []matcher.Event
		}{
			{"rules=10", 10, mixed, events(256)},
			{"rules=1000", 1000, mixed, events(256)},
			{"wildcards=100", 100, func(i int) string { return fmt.Sprintf(`{"path":[{"wildcard":"/srv/app/*x*y*%d*.log"}]}`, i) }, []matcher.Event{{JSON: []byte(`{"path":"/srv/app/` + strings.Repeat("xy1", 35) + `.log"}`)}}},
			{"objects=2000", 20, func(i int) string { return fmt.Sprintf(`{"m":{"a":[1],"b":[2],"c":[%d]}}`, i) }, []matcher.Event{{JSON: []byte(twoThousand)}}},
		} {
			set := engine.NewSet()
			for i := range c.rules {
				if err := set.Add(uint32(i), parse(b, c.rule(i))); err != nil {
					b.Fatal(err)
				}
			}
			program := set.Snapshot()
			b.Run(engine.Name+"/"+c.name, func(b *testing.B) {
				var m matcher.Matches
				b.ReportAllocs()
				for b.Loop() {
					program.MatchBlock(c.events, &m)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.events)), "ns/event")
			})
		}
	}
}

// BenchmarkSet adds and removes a rule among many.
func BenchmarkSet(b *testing.B) {
	for _, engine := range matcher.Engines() {
		set := engine.NewSet()
		for i := range uint32(10000) {
			if err := set.Add(i, parse(b, mixed(int(i)))); err != nil {
				b.Fatal(err)
			}
		}
		p := parse(b, mixed(3))
		b.Run(engine.Name+"/add and remove among 10000", func(b *testing.B) {
			for b.Loop() {
				if err := set.Add(10001, p); err != nil {
					b.Fatal(err)
				}
				set.Remove(10001)
			}
		})
	}
}
