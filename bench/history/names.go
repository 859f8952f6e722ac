package history

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// porcupineTime bounds the search for an order. Beyond it nothing is known.
const porcupineTime = 10 * time.Second

// A name is a register for porcupine, of the id of what has it:
//
//	          make, answered with a new id                 remove
//	nobody ────────────────────────────────────► id ─────────────────► nobody
//	  │ make without an answer                    ▲
//	  └──────────────► someone ───────────────────┘ as the next who is told an id hears it
//
// A make that finds something and a look say the id that is there, a removal that finds nothing and a look that nobody is.
// An operation without an answer may be done at any time from its invocation on, or never: which is the same as when all
// is over.
const (
	nobody  uint64 = 0
	someone uint64 = 1<<64 - 1
)

// checkNames is I15: for each name there is an order of its operations, each between its
// invocation and its answer, that explains what was told; and no two makes are told
// that they made the same.
func (c *checker) checkNames() {
	byName := make(map[string][]porcupine.Operation)
	made := make(map[uint64]*Named) // by whom it was told
	var names []string
	for i := range c.Named {
		n := &c.Named[i]
		if n.Outcome == Fail {
			continue
		}
		if n.made() {
			if other := made[n.ID]; other != nil {
				c.verdict.addf(Names, "%q and %q were made with the id %d", other.Name, n.Name, n.ID)
			}
			made[n.ID] = n
		}
		if byName[n.Name] == nil {
			names = append(names, n.Name)
		}
		byName[n.Name] = append(byName[n.Name], porcupine.Operation{
			ClientId: n.Client, Input: n, Call: int64(n.Invoked), Return: answered(n.Outcome, n.Returned),
		})
	}
	model := porcupine.Model{
		Init: func() any { return nobody },
		Step: func(state, input, _ any) (bool, any) {
			n := input.(*Named)                              //nolint:forcetypeassert // this file's own
			return n.step(state.(uint64), made[n.ID] != nil) //nolint:forcetypeassert // likewise
		},
	}
	for _, name := range names {
		switch porcupine.CheckOperationsTimeout(model, byName[name], porcupineTime) {
		case porcupine.Illegal:
			c.verdict.addf(Names, "no order explains the %d operations on %q", len(byName[name]), name)
		case porcupine.Unknown:
			c.verdict.Incomplete = true
		case porcupine.Ok:
		}
	}
}

// made reports whether the operation was told that it made something.
func (n *Named) made() bool { return n.Verb == NameMake && n.Outcome == OK && !n.Found }

// step is the operation done to a name that has the id there. told says that the operation's own id is one that a make was told.
func (n *Named) step(there uint64, told bool) (possible bool, after uint64) {
	switch {
	case n.Outcome == Unknown && n.Verb == NameMake && there == nobody:
		return true, someone
	case n.Outcome == Unknown && n.Verb == NameRemove:
		return true, nobody
	case n.Outcome == Unknown:
		return true, there
	case n.Found != (there != nobody):
		return false, there
	case n.Verb == NameRemove:
		return true, nobody
	case n.made():
		return true, n.ID
	case !n.Found, n.ID == there:
		return true, there
	}
	return there == someone && !told, n.ID
}

// answered is when an operation ends for porcupine: one whose outcome isn't known may
// be done at any time from its invocation on.
func answered(outcome Outcome, returned Time) int64 {
	if outcome == Unknown {
		return int64(Never)
	}
	return int64(returned)
}
