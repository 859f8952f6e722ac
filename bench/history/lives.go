package history

import "github.com/anishathalye/porcupine"

// An event's life in a subscription, as porcupine is told of it:
//
//	          lease e                 ack, reject under e
//	waiting ──────────► leased under e ──────────────────► settled, for ever
//	   ▲                  │   │ ▲
//	   └── release ───────┘   └─┘ lease e' > e, when e has run out
//
// What checkSettled says of single rules this says of all of them at once: that there
// is one order of everything that was told.

// lifeState is an event's.
type lifeState struct {
	epoch   uint64
	over    bool // given back
	settled bool
}

// lifeStep is something that was told: a lease where decision is nil.
type lifeStep struct {
	epoch    uint64
	decision *Decision
}

// lifeStepsMax is how long a life porcupine is asked of: its search is exponential.
const lifeStepsMax = 24

// checkLives asks porcupine of so many lives, of those that are more than a lease and
// its ack.
func (c *checker) checkLives(most int) {
	model := lifeModel()
	c.pairs(func(p *pair) {
		if c.verdict.Lives >= most {
			return
		}
		steps, doubtful := lifeOf(p)
		if len(steps) > lifeStepsMax || len(p.Leases) == 1 && !doubtful {
			return
		}
		c.verdict.Lives++
		switch porcupine.CheckOperationsTimeout(model, steps, porcupineTime) {
		case porcupine.Illegal:
			c.verdict.addf(Life, "no order explains what %s was told of %s: %d leases, %d steps", c.Readers[p.Reader].Name, p.Place, len(p.Leases), len(steps))
		case porcupine.Unknown:
			c.verdict.Incomplete = true
		case porcupine.Ok:
		}
	})
}

// lifeOf are a life's steps. A lease was granted some time before it came. A refusal says
// nothing: any lease may run out.
func lifeOf(p *pair) (steps []porcupine.Operation, doubtful bool) {
	for i := range p.Leases {
		l := &p.Leases[i]
		steps = append(steps, porcupine.Operation{Input: lifeStep{epoch: l.Epoch}, Call: 0, Return: int64(l.Got)})
		for _, d := range l.Decisions {
			if d.Outcome == Fail {
				continue
			}
			doubtful = doubtful || d.Outcome == Unknown
			steps = append(steps, porcupine.Operation{Input: lifeStep{l.Epoch, d}, Call: int64(d.Invoked), Return: answered(d.Outcome, d.Returned)})
		}
	}
	return steps, doubtful
}

func lifeModel() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{lifeState{}} },
		Step: func(state, input, _ any) []any {
			now, step := state.(lifeState), input.(lifeStep) //nolint:forcetypeassert // this file's own
			if step.decision == nil {
				if now.settled || step.epoch <= now.epoch {
					return nil
				}
				return []any{lifeState{epoch: step.epoch}}
			}
			good := step.epoch == now.epoch && !now.over && !now.settled
			done := now
			if step.decision.Verb == Release {
				done.over = true
			} else {
				done.settled = true
			}
			switch {
			case step.decision.Outcome == OK && good:
				return []any{done}
			case step.decision.Outcome == OK:
				return nil
			case good: // unknown
				return []any{now, done}
			}
			return []any{now}
		},
	}
	return model.ToModel()
}
