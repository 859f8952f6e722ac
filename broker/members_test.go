package broker

import (
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	"github.com/freshet-mq/freshet/raftlog"
)

// TestNextStep tells members as "n3" with a vote and "(n3)" without.
func TestNextStep(t *testing.T) {
	for _, c := range []struct{ what, there, wanted, step string }{
		{"as it should be", "n1 n2 n3", "n1 n2 n3", ""},
		{"a cluster without a list", "n1 n2 n3", "", ""},
		{"who isn't mentioned stays", "n1 n2 n3", "n1 n2", ""},
		{"the old one goes first", "n1 n2 n3", "n1 n2 n3#2", "remove n3"},
		{"also a much older one", "n1 n2 n3#2", "n1 n2 n3#4", "remove n3#2"},
		{"then the new one comes", "n1 n2", "n1 n2 n3#2", "add n3#2"},
		{"and gets a vote", "n1 n2 (n3#2)", "n1 n2 n3#2", "promote n3#2"},
		{"one node after the other", "n1 n2 (n3#2)", "n1#2 n2 n3#2", "remove n1"},
		{"a catalog that is behind", "n1 n2 (n3#2)", "n1 n2 n3", ""},
		{"a member that has yet to be taken in", "", "n1 n2 n3#2", ""},
		{"an address that nobody knows", "n1 n2", "n1 n2 n9", ""},
	} {
		var there []raftlog.Member
		for name := range strings.FieldsSeq(c.there) {
			bare := strings.Trim(name, "()")
			there = append(there, raftlog.Member{Node: bare, Address: nodeOf(bare) + ":7601", Voter: bare == name})
		}
		var wanted []catalog.Member
		for name := range strings.FieldsSeq(c.wanted) {
			node, generation := splitRaftName(name)
			wanted = append(wanted, catalog.Member{Node: node, Directory: "d", Generation: generation})
		}
		got := ""
		if step := nextStep(there, wanted, func(node string) string { return strings.ReplaceAll(node+":7601", "n9:7601", "") }); step != nil {
			got = step.kind.String() + " " + step.node
			if step.address != nodeOf(step.node)+":7601" {
				t.Errorf("%s: the address is %q", c.what, step.address)
			}
		}
		if got != c.step {
			t.Errorf("%s: %q, want %q", c.what, got, c.step)
		}
	}
}

// TestDecideEntry: n3 has greeted n1 and n2.
func TestDecideEntry(t *testing.T) {
	answer := func(stage peerpb.Stage, known string, generation uint32) *peerpb.GreetResponse {
		return &peerpb.GreetResponse{Stage: stage, Directory: "theirs", Known: known, Generation: generation}
	}
	fresh, begun, other := answer(peerpb.Stage_STAGE_NEW, "", 0), answer(peerpb.Stage_STAGE_BEGUN, "mine", 0), answer(peerpb.Stage_STAGE_BEGUN, "other", 0)
	for _, c := range []struct {
		what       string
		n1, n2     *peerpb.GreetResponse
		generation uint32
		replaces   bool
		missing    int
	}{
		{"nobody is there", nil, nil, 0, false, 2},
		{"one is there", fresh, nil, 0, false, 1},
		{"all are new", fresh, fresh, 1, false, 0},
		{"one has begun with it", begun, fresh, 1, false, 0},
		{"one has begun with another", other, fresh, 0, true, 0},
		{"founded with it, while it was away", answer(peerpb.Stage_STAGE_FOUNDED, "mine", 1), nil, 1, false, 0},
		{"founded with another", answer(peerpb.Stage_STAGE_FOUNDED, "other", 1), nil, 0, true, 1},
		{"founded without it", answer(peerpb.Stage_STAGE_FOUNDED, "", 0), fresh, 0, true, 0},
		{"let in", answer(peerpb.Stage_STAGE_FOUNDED, "mine", 2), nil, 2, false, 0},
		{"let in, as one of two knows", answer(peerpb.Stage_STAGE_FOUNDED, "other", 1), answer(peerpb.Stage_STAGE_FOUNDED, "mine", 2), 2, false, 0},
	} {
		told := map[string]*peerpb.GreetResponse{}
		if c.n1 != nil {
			told["n1"] = c.n1
		}
		if c.n2 != nil {
			told["n2"] = c.n2
		}
		e := decideEntry([]string{"n1", "n2"}, told, "mine")
		if e.generation != c.generation || e.replaces != c.replaces || len(e.missing) != c.missing {
			t.Errorf("%s: %+v", c.what, e)
		}
	}
}

func TestRaftName(t *testing.T) {
	for name, generation := range map[string]uint32{"n3": 1, "n3#2": 2, "n3#17": 17} {
		node, got := splitRaftName(name)
		if node != "n3" || got != generation || raftName(node, got) != name {
			t.Errorf("%s is of %s in generation %d", name, node, got)
		}
	}
}
