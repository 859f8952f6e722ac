package partition

import (
	"context"
	"fmt"
	"runtime/pprof"
)

// What the goroutines of a partition are for, as profiles show it under "stage". The log's and the node's have the same label.
const (
	stagePropose = "propose"
	stageCarry   = "carry"
	stageDeliver = "deliver"
	// stageKeep: room is made, and events are kept that the log isn't kept for.
	stageKeep = "keep"
)

// goNamed starts a goroutine that Close joins, under a name that profiles show.
func (p *Partition) goNamed(role, stage string, f func()) {
	p.joined.Go(func() { p.labelled(role, stage, f) })
}

// labelled runs a goroutine under the labels that profiles show: its role, the stage of an event's way that it is for, and the group. They are set
// once, and cost nothing after that.
func (p *Partition) labelled(role, stage string, f func()) {
	labels := pprof.Labels("role", role, "stage", stage, "group", fmt.Sprintf("p%d", p.options.Number))
	//nolint:forbidigo // pprof takes labels only with a context; nothing is cancelled by it
	pprof.Do(context.Background(), labels, func(context.Context) { f() })
}
