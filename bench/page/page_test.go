package page_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/bench/load"
	"github.com/freshet-mq/freshet/bench/page"
)

func written(t *testing.T, r *load.Report) string {
	t.Helper()
	var text strings.Builder
	if err := page.Write(&text, r); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// figures takes the JSON out of a page.
func figures(t *testing.T, text string) map[string]any {
	t.Helper()
	_, rest, found := strings.Cut(text, `<script type="application/json" id="data">`)
	data, _, ended := strings.Cut(rest, "</script>")
	var document map[string]any
	if err := json.Unmarshal([]byte(data), &document); err != nil || !found || !ended {
		t.Fatalf("%v: %.300s", err, data)
	}
	return document
}

// TestWrite wants the figures of each interval, and null where there are none.
func TestWrite(t *testing.T) {
	text := written(t, &load.Report{
		Work: "queue", PublishedPerSecond: 12345,
		Timeline: []load.Sample{
			{Begin: 0, End: 1, Phase: load.PhaseWarmUp},
			{Begin: 1, End: 2, Phase: load.PhaseMeasured, PublishedPerSecond: 10, Publish: load.Latency{P50: 1, P99: 2, Max: 3}, Nodes: []load.NodeSample{
				{Name: "n1", Processors: .5, WrittenPerSecond: 2e6}, {Name: "n2"},
			}},
		},
		PublishPercentiles: []load.Percentile{{Percent: 50, Milliseconds: 1}, {Percent: 100, Milliseconds: 3}},
	})
	document := figures(t, text)
	got, err := json.Marshal([]any{document["phase"], document["publish"], document["nodes"], document["publish_percentiles"]})
	if err != nil {
		t.Fatal(err)
	}
	want := `[["warm-up","measured"],[[null,null,null],[1,2,3]],` +
		`[{"disk":[null,2],"memory":[null,0],"name":"n1","processors":[null,0.5]},{"disk":[null,0],"memory":[null,0],"name":"n2","processors":[null,0]}],` +
		`[[50,100],[1,3]]]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAsksNobody holds the page to PG1: nothing in it names another place.
func TestAsksNobody(t *testing.T) {
	text := strings.Replace(written(t, &load.Report{}), "/*! https://github.com/leeoniya/uPlot", "/*!", 1) // says whose it is
	for _, pattern := range []string{`(?i)https?://`, `(?i)\ssrc\s*=`, `(?i)<link`, `(?i)@import`, `(?i)url\(`, `(?i)fetch\(`, `(?i)XMLHttpRequest`} {
		if found := regexp.MustCompile(pattern).FindStringIndex(text); found != nil {
			t.Errorf("%s: %s", pattern, text[max(0, found[0]-60):min(len(text), found[1]+60)])
		}
	}
	if !strings.Contains(text, "uPlot") || !strings.Contains(text, `default-src 'none'`) {
		t.Error("the page has no charts, or no policy")
	}
}

// TestText holds it to PG2.
func TestText(t *testing.T) {
	const hostile = `</script><script>alert(1)</script>`
	text := written(t, &load.Report{Work: hostile, Bottleneck: hostile, Faults: []string{hostile}})
	if strings.Contains(text, "<script>alert") {
		t.Error("what a run says became a script")
	}
	report, ok := figures(t, text)["report"].(map[string]any)
	if !ok || report["bottleneck"] != hostile {
		t.Errorf("bottleneck is %v", report["bottleneck"])
	}
}
