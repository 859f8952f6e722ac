package broker

import (
	"net"
	"strings"
	"testing"
)

// TestMetrics: what a node did can be scraped.
func TestMetrics(t *testing.T) {
	r := newRig(t)
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.adjust = func(o *Options) { o.Admin = admin }
	r.start()
	r.create("t", "q")
	r.publishOne("t", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	body := r.get(admin.Addr(), "/metrics")
	for _, want := range []string{
		`freshet_publish_events_total{result="stored",topic="t"} 3`, `freshet_subscription_events{state="ready",subscription="t/q"} 3`,
		`freshet_raft_leader{partition="0"} 1`, `freshet_stage_duration_seconds_count{stage="sync"} `, `freshet_stage_batch_bytes_count{stage="sync"} `,
		`freshet_stage_batch_items_sum{stage="admit"} 3`, `freshet_stage_batch_bytes_count{stage="propose"} `, `freshet_queue_depth{partition="0",queue="publications"} 0`,
		`freshet_memory_used_bytes{part="blocks"} `, "freshet_disk_free_bytes ",
		`freshet_stage_duration_seconds_count{stage="commit"} `, "freshet_build_info{",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %s in\n%s", want, body)
		}
	}
}
