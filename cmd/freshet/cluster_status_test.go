package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/client"
)

// TestClusterStatusForPeople is a cluster with everything that can be amiss: a node
// that isn't reached, a partition without a leader, replicas that are behind.
func TestClusterStatusForPeople(t *testing.T) {
	answer := clusterAnswerOf(&client.Cluster{
		Name: "prod-eu", ID: "6f0a",
		Nodes: []client.Node{
			{Name: "n1", Address: "a.example:7600", PeerAddress: "10.0.0.1:7601", Version: "v1.2.3", Reached: true},
			{Name: "n2", Address: "b.example:7600", PeerAddress: "10.0.0.2:7601", Version: "v1.2.3"},
			{Name: "n3", Address: "c.example:7600", PeerAddress: "10.0.0.3:7601", Version: "v1.2.2", Reached: true},
		},
		Partitions: []client.Partition{
			{
				Number: 0, Leader: "n1", Term: 3, Applied: 10_500, LogBytes: 5 << 20, LogBytesMax: 2 << 30, OldestHolder: "orders/billing", OldestOffset: 17,
				Replicas: []client.Replica{{Node: "n1", Applied: 10_500, Last: 10_500}, {Node: "n3", Applied: 9_250, Last: 10_500}},
			},
			{
				Number: 1, Leader: "", Term: 4, Applied: 7, LogBytes: 100, LogBytesMax: 2 << 30,
				Replicas: []client.Replica{{Node: "n1", Applied: 7, Last: 7}, {Node: "n2", Applied: 7, Last: 7}, {Node: "n3", Applied: 7, Last: 7, Debt: 40}},
			},
			{
				Number: 2, Leader: "n3", Term: 1, Applied: 7, LogBytesMax: 2 << 30,
				Replicas: []client.Replica{{Node: "n1", Applied: 7}, {Node: "n2", Applied: 7}, {Node: "n3", Applied: 7}},
			},
		},
	})
	var b strings.Builder
	out := &output{w: &b, format: formatTable}
	out.table(nodeTable(answer))
	out.table(partitionTable(answer))
	want := `NODE  REACHED  LEADS  CLIENTS         NODES          VERSION
n1    yes          1  a.example:7600  10.0.0.1:7601  v1.2.3
n2    NO           0  b.example:7600  10.0.0.2:7601  v1.2.3
n3    yes          1  c.example:7600  10.0.0.3:7601  v1.2.2
PARTITION  LEADER  TERM  APPLIED  BEHIND                   LOG       OF  OLDEST HELD BY
        0  n1         3   10,500  n2 ?, n3 1,250       5.0 MiB  2.0 GiB  orders/billing at 17
        1  NONE       4        7  n3 0 +40 to fetch  100 bytes  2.0 GiB  -
        2  n3         1        7  -                    0 bytes  2.0 GiB  -
`
	if out.err != nil || b.String() != want {
		t.Errorf("%v; got\n%s\nwant\n%s", out.err, b.String(), want)
	}
}

// TestClusterStatusForPrograms asks a live node.
func TestClusterStatusForPrograms(t *testing.T) {
	s := &session{env: map[string]string{}}
	t.Cleanup(func() { s.stopNodes(t) })
	s.startNode(t)
	out, code := ask(t, "cluster", "status", "--json", "--server", s.env["FRESHET_SERVER"])
	var answer clusterAnswer
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != exitOK {
		t.Fatalf("%v, exit %v: %s", err, code, out)
	}
	if answer.Name != "freshet" || len(answer.Nodes) != 1 || answer.Nodes[0].Leads != len(answer.Partitions) || !answer.Nodes[0].Reached {
		t.Errorf("got %+v", answer)
	}
}
