package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// inDebt returns a cluster in which a member took a state and lacks entries that all retain, from the returned one on, while
// nobody gives it any.
func inDebt(t *testing.T) (c *cluster, debtor *member, mark uint64) {
	c = newCluster(t, 1, 1)
	c.retain = 1
	c.net.mute(true)
	c.start()
	lead := c.leader(c.ctx, 0)
	debtor = c.third(lead, nil)
	c.isolate(debtor, true)
	pause(c.ctx, 5*time.Second) // until what is on its way is given up
	last := debtor.group(0).Usage().Last
	for round := 0; ; round++ {
		c.writeMany(t, 0, fmt.Sprint("kept.", round), 50)
		mark = lead.group(0).Usage().Last - 20
		gone := true
		for _, m := range c.members {
			if m != debtor {
				m.group(0).Retain(mark)
				if err := m.group(0).Checkpoint(c.ctx); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				gone = gone && m.group(0).Usage().First > last+1
			}
		}
		if gone {
			break
		}
	}
	c.isolate(debtor, false)
	c.awaitInstalls(t, 1)
	c.settle(c.ctx)
	return c, debtor, mark
}

// TestDebt: who took a state lacks the entries that its owner retains, says which, fetches them, and has them after a restart.
func TestDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, debtor, mark := inDebt(t)
		g := debtor.group(0)
		if from, to, owed := g.Debt(); !owed || from != 1 || to < mark {
			t.Fatalf("owes %d to %d, %v; retained is 1", from, to, owed)
		}
		g.Retain(mark)
		from, to, owed := g.Debt()
		if !owed || from != mark || to < mark {
			t.Fatalf("owes %d to %d, %v; retained is %d", from, to, owed, mark)
		}
		pause(c.ctx, time.Minute)
		if _, _, owed := g.Debt(); !owed {
			t.Fatal("paid by nobody")
		}
		c.net.mute(false)
		for owed && c.ctx.Err() == nil {
			pause(c.ctx, 100*time.Millisecond)
			_, _, owed = g.Debt()
		}
		c.sameEntries(t, debtor, mark)
		c.writeMany(t, 0, "then", 20)
		c.settle(c.ctx)
		debtor.crash(0)
		c.retain = mark
		debtor.open()
		c.settle(c.ctx)
		if from, to, owed := debtor.group(0).Debt(); owed {
			t.Fatalf("owes %d to %d again", from, to)
		}
		c.sameEntries(t, debtor, mark)
	})
}

// sameEntries expects all entries from an index on of a member as its leader has them.
func (c *cluster) sameEntries(t *testing.T, m *member, from uint64) {
	t.Helper()
	lead := c.leader(c.ctx, 0)
	c.settle(c.ctx)
	for index := from; index <= lead.ledger(0).lastIndex(); index++ {
		want, err := lead.group(0).Read(index)
		got, gotErr := m.group(0).Read(index)
		if errors.Is(err, ErrNotRetained) != errors.Is(gotErr, ErrNotRetained) || got.Term != want.Term || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("entry %d is %+v, %v; the leader has %+v, %v", index, got, gotErr, want, err)
		}
	}
}

// TestDebtorDoesNotLead: a member in debt that is elected hands leadership on.
func TestDebtorDoesNotLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, debtor, mark := inDebt(t)
		debtor.group(0).Retain(mark)
		lead := c.leader(c.ctx, 0)
		if err := lead.group(0).TransferLeadership(c.ctx, debtor.name); err != nil {
			t.Fatal(err)
		}
		pause(c.ctx, 5*time.Second)
		if got := c.leader(c.ctx, 0); got == debtor {
			t.Fatal("the debtor leads")
		}
		c.net.mute(false)
		c.settle(c.ctx)
	})
}

// TestFetchedNonsense: what a peer gives is looked at.
func TestFetchedNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, debtor, mark := inDebt(t)
		g := debtor.group(0)
		g.Retain(mark)
		_, to, _ := g.Debt()
		for name, entries := range map[string][]*raft.Log{
			"another index":  {{Index: mark + 1, Term: 1}},
			"a gap":          {{Index: mark, Term: 1}, {Index: mark + 2, Term: 1}},
			"a term back":    {{Index: mark, Term: 2}, {Index: mark + 1, Term: 1}},
			"a term to come": {{Index: mark, Term: 1 << 40}},
		} {
			c.net.forge(entries)
			if got, err := g.ask(c.ctx, c.leader(c.ctx, 0).address, mark, to); err == nil {
				t.Errorf("%s: took %d entries", name, len(got))
			}
		}
		c.net.forge(nil)
		c.net.mute(false)
		c.settle(c.ctx)
	})
}
