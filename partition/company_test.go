package partition

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestCompany runs stories of what lands, and of what the proposer waits for then. Times are since the last landing.
func TestCompany(t *testing.T) {
	datadriven.Walk(t, "testdata/company", func(t *testing.T, path string) {
		var c company
		var w awaited
		last := landing{at: time.Unix(0, 0)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			duration := func(key string) time.Duration {
				var text string
				d.ScanArgs(t, key, &text)
				parsed, err := time.ParseDuration(text)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				return parsed
			}
			switch d.Cmd {
			case "landed":
				last.count++
				last.at = last.at.Add(time.Second)
				last.took = duration("took")
				d.ScanArgs(t, "answered", &last.answered)
				d.ScanArgs(t, "waiting", &last.waiting)
				return "ok\n"
			case "expect":
				times, said := 1, ""
				d.MaybeScanArgs(t, "times", &times)
				for range times {
					was := said
					var some bool
					if w, some = c.expect(last, last.at.Add(duration("after"))); some {
						said = fmt.Sprintf("for %d blocks until %v, then for %d\n", w.half, w.until.Sub(last.at), w.all)
					} else {
						said = "for nobody\n"
					}
					if was != "" && was != said {
						d.Fatalf(t, "first %q, then %q", was, said)
					}
				}
				return said
			case "half":
				return fmt.Sprintf("until %v\n", w.rest(last.at.Add(duration("after"))).Sub(last.at))
			}
			d.Fatalf(t, "unknown directive %q", d.Cmd)
			return ""
		})
	})
}
