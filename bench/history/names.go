package history

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// porcupineTime bounds the search for an order. Beyond it nothing is known.
const porcupineTime = 10 * time.Second

// checkNames is I15: for each name there is an order of its operations, each between its
// invocation and its answer, in which a name that was made is found until it is
// removed.
func (c *checker) checkNames() {
	byName := make(map[string][]porcupine.Operation)
	var names []string
	for i := range c.Named {
		n := &c.Named[i]
		if n.Outcome == Fail {
			continue
		}
		if byName[n.Name] == nil {
			names = append(names, n.Name)
		}
		byName[n.Name] = append(byName[n.Name], porcupine.Operation{
			ClientId: n.Client, Input: n, Call: int64(n.Invoked), Return: answered(n.Outcome, n.Returned),
		})
	}
	register := porcupine.NondeterministicModel{
		Init: func() []any { return []any{false} },
		Step: func(state, input, _ any) []any {
			there, n := state.(bool), input.(*Named) //nolint:forcetypeassert // this file's own
			after := there
			if n.Verb == NameMake {
				after = true
			} else if n.Verb == NameRemove {
				after = false
			}
			switch {
			case n.Outcome == Unknown && after != there:
				return []any{there, after}
			case n.Outcome == OK && !n.Untold && n.Found != there:
				return nil
			}
			return []any{after}
		},
	}
	model := register.ToModel()
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

// answered is when an operation ends for porcupine: one whose outcome isn't known may
// be done at any time from its invocation on.
func answered(outcome Outcome, returned Time) int64 {
	if outcome == Unknown {
		return int64(Never)
	}
	return int64(returned)
}
