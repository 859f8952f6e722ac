package matcher_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// BenchmarkCompiled is the compiled engine beside json.Valid on the same events, in ns an event.
func BenchmarkCompiled(b *testing.B) {
	block := events(256)
	b.Run("json.Valid", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, e := range block {
				if !json.Valid(e.JSON) {
					b.Fatal("no event")
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(block)), "ns/event")
	})
	for _, rules := range []int{10, 1000, 10_000, 100_000} {
		set := matcher.Compiled.NewSet()
		for i := range rules {
			if err := set.Add(uint32(i), parse(b, mixed(i))); err != nil {
				b.Fatal(err)
			}
		}
		program := set.Snapshot()
		var m matcher.Matches
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				program.MatchBlock(block, &m)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(block)), "ns/event")
		})
	}
}

// BenchmarkWorst is what an adversary, or bad luck, would ask for. json.Valid reads the same events.
func BenchmarkWorst(b *testing.B) {
	value := "/srv/app/" + strings.Repeat("xynz1", 21) + ".log"
	objects := `{"m":[` + strings.TrimSuffix(strings.Repeat(`{"a":1,"b":2,"c":3,"name":"value-001234"},`, 2000), ",") + `]}`
	for _, c := range []struct {
		name  string
		rules int
		rule  func(i int) string
		event string
	}{
		{"wildcards=100", 100, func(i int) string { return fmt.Sprintf(`{"path":[{"wildcard":"/srv/app/*x*y*%d*.log"}]}`, i) }, `{"path":"` + value + `"}`},
		{"objects=2000", 20, func(i int) string { return fmt.Sprintf(`{"m":{"a":[1],"b":[2],"c":[%d]}}`, i) }, objects},
		{"1 MB", 1000, mixed, `{"source":"com.shop.1","detail-type":"Order Created","detail":{"list":[` + strings.TrimSuffix(strings.Repeat(`{"sku":"a-17","n":1,"text":"some words of it"},`, 22_000), ",") + `]}}`},
	} {
		block := []matcher.Event{{JSON: []byte(c.event)}}
		benchmarkBlock(b, c.name, c.rules, c.rule, block)
	}
	for _, c := range onePath {
		benchmarkBlock(b, "10000 rules at one path/"+c.name, 10_000, c.rule, []matcher.Event{{JSON: []byte(c.event)}})
	}
	for _, times := range []int{1, 2, 4, 8} {
		event := `{"m":[` + strings.TrimSuffix(strings.Repeat(`{"a":1,"b":2,"c":3},`, 500*times), ",") + `]}`
		rule := func(i int) string { return fmt.Sprintf(`{"m":{"a":[1],"b":[2],"c":[%d]}}`, i) }
		benchmarkBlock(b, fmt.Sprintf("slope %dx", times), 20, rule, []matcher.Event{{JSON: []byte(event)}})
	}
}

func benchmarkBlock(b *testing.B, name string, rules int, rule func(i int) string, block []matcher.Event) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		set := matcher.Compiled.NewSet()
		for i := range rules {
			if err := set.Add(uint32(i), parse(b, rule(i))); err != nil {
				b.Fatal(err)
			}
		}
		program := set.Snapshot()
		var m matcher.Matches
		for reader, read := range map[string]func(){
			"compiled": func() { program.MatchBlock(block, &m) },
			"json.Valid": func() {
				for _, e := range block {
					json.Valid(e.JSON)
				}
			},
		} {
			b.Run(reader, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					read()
				}
				b.ReportMetric(float64(len(block))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	})
}

// BenchmarkWorstWebhooks puts events as GitHub sends them, of FRESHET_DATA, to 1,000 rules over their own fields.
func BenchmarkWorstWebhooks(b *testing.B) {
	dir := os.Getenv("FRESHET_DATA")
	if dir == "" {
		b.Log("FRESHET_DATA is not set: no webhooks")
		return
	}
	packed, err := os.ReadFile(filepath.Join(dir, "github-webhooks.jsonl.gz"))
	if err != nil {
		b.Fatal(err)
	}
	text, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		b.Fatal(err)
	}
	var block []matcher.Event
	for lines := bufio.NewReaderSize(text, 1<<24); len(block) < 256; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			block = append(block, matcher.Event{JSON: line})
		}
		if err != nil {
			break
		}
	}
	benchmarkBlock(b, "webhooks", 1000, webhookRule, block)
}

// webhookRule is about what webhooks hold.
func webhookRule(i int) string {
	action := []string{"opened", "closed", "created", "edited", "labeled"}[i%5]
	switch i % 4 {
	case 0:
		return fmt.Sprintf(`{"action":[%q],"repository":{"id":[%d]}}`, action, i)
	case 1:
		return fmt.Sprintf(`{"repository":{"full_name":[{"prefix":"org-%d/"}]},"sender":{"type":["User"]}}`, i)
	case 2:
		return fmt.Sprintf(`{"action":[%q],"sender":{"login":["user-%d"]}}`, action, i)
	default:
		return fmt.Sprintf(`{"sender":{"id":[{"numeric":[">=",%d,"<",%d]}]},"repository":{"private":[false]}}`, 1000*i, 1000*i+1000)
	}
}
