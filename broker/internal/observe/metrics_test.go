package observe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/observe"
	"github.com/freshet-mq/freshet/partition"
)

// scrape returns what /metrics answers.
func scrape(t *testing.T, m *observe.Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if answer.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
}

// full is a state that has something of everything.
func full() observe.State {
	return observe.State{
		Subscriptions: []observe.Subscription{{Name: "orders/billing", Ready: 3, Dead: 1, OldestAge: 2 * time.Second}},
		Partitions:    []observe.Partition{{Number: 4, Leading: true, Term: 7, Applied: 99, Agreed: 64, Last: 100, Expired: 5, Publications: 6, InFlightBytes: 4_000}},
		Memory:        []observe.Memory{{Part: "blocks", Used: 5, Max: 10, Waiting: 2, Refused: 3}},
		Refused:       map[string]float64{"FR3004": 6}, Cut: map[string]float64{"unread": 7},
		Log: observe.Log{Bytes: 10, BytesMax: 20, CacheHits: 8}, DiskFree: 1e9,
		HasTopic: func(name string) bool { return name == "orders" },
	}
}

func names(id partition.SubscriptionID) string {
	if id == 1 {
		return "orders/billing"
	}
	return ""
}

func TestScrape(t *testing.T) {
	m := observe.New("v1", names, full)
	m.Published("orders", observe.ResultStored, 12)
	m.Published("orders", observe.ResultStored, 1)
	m.Admitted(time.Millisecond, 12, 3_000)
	m.Synced(4096, 3*time.Millisecond)
	m.Took(partition.StageCommit, 2*time.Millisecond)
	m.Batch(partition.StagePropose, 7, 4_000)
	m.Batch(partition.StageAck, 2, -1)
	m.Delivered(1, time.Second)
	m.Delivered(2, time.Second)
	wants(t, scrape(t, m),
		`freshet_publish_events_total{result="stored",topic="orders"} 13`,
		`freshet_stage_duration_seconds_count{stage="commit"} 1`, `freshet_stage_duration_seconds_count{stage="admit"} 1`,
		`freshet_stage_duration_seconds_bucket{stage="sync",le="0.005"} 1`, `freshet_stage_batch_bytes_sum{stage="sync"} 4096`,
		`freshet_stage_batch_items_sum{stage="admit"} 12`, `freshet_stage_batch_bytes_sum{stage="admit"} 3000`,
		`freshet_stage_batch_items_sum{stage="propose"} 7`, `freshet_stage_batch_items_count{stage="ack"} 1`,
		`freshet_queue_depth{partition="4",queue="publications"} 6`, `freshet_in_flight_bytes{partition="4"} 4000`, `freshet_replica_agreed_index{partition="4"} 64`,
		`freshet_memory_used_bytes{part="blocks"} 5`, `freshet_memory_waiting{part="blocks"} 2`,
		`freshet_memory_refused_total{part="blocks"} 3`, `freshet_refusals_total{code="FR3004"} 6`, `freshet_connections_cut_total{reason="unread"} 7`,
		`freshet_deliver_latency_seconds_count{subscription="orders/billing"} 1`,
		`freshet_deliver_latency_seconds_count{subscription="other"} 1`,
		`freshet_subscription_events{state="ready",subscription="orders/billing"} 3`,
		`freshet_subscription_oldest_age_seconds{subscription="orders/billing"} 2`,
		`freshet_raft_leader{partition="4"} 1`, `freshet_lease_expired_total{partition="4"} 5`,
		`freshet_log_reads_total{from="cache"} 8`, `freshet_disk_free_bytes 1e+09`,
	)
}

// TestBounded: names beyond the bound share one, and those that are gone make room (O1).
func TestBounded(t *testing.T) {
	state := full()
	for i := range observe.NamesMax + 10 {
		state.Subscriptions = append(state.Subscriptions, observe.Subscription{Name: fmt.Sprintf("t/s%d", i), Ready: 1})
	}
	m := observe.New("v1", names, func() observe.State { return state })
	for i := range observe.NamesMax + 10 {
		m.Published(fmt.Sprintf("topic-%d", i), observe.ResultStored, 1)
	}
	text := scrape(t, m)
	wants(t, text, `freshet_publish_events_total{result="stored",topic="other"} 10`, `freshet_subscription_events{state="ready",subscription="other"} 11`)
	if n := strings.Count(text, "freshet_publish_events_total{"); n != observe.NamesMax+1 {
		t.Errorf("%d topics have series", n)
	}
	m.Published("orders", observe.ResultStored, 1)
	text = scrape(t, m)
	wants(t, text, `freshet_publish_events_total{result="stored",topic="orders"} 1`)
	if strings.Contains(text, `topic="topic-1"`) {
		t.Error("a topic that is gone still has series")
	}
}

// TestDocs: docs/lookup/metrics.md lists what there is, and nothing else.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/lookup/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := observe.New("v1", names, full)
	m.Published("orders", observe.ResultStored, 1)
	m.Delivered(1, time.Second)
	found := func(text, pattern string) []string {
		var list []string
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			list = append(list, match[1])
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	there, told := found(scrape(t, m), `(?m)^# TYPE (freshet_\w+)`), found(string(doc), "(?m)^\\| `(freshet_\\w+)")
	if !slices.Equal(there, told) {
		t.Errorf("there are\n%v\nthe document lists\n%v", there, told)
	}
}
