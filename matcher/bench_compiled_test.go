package matcher_test

import (
	"encoding/json"
	"fmt"
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
