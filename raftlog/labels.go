package raftlog

import (
	"context"
	"runtime/pprof"
)

// stageCommit is what profiles show of the goroutines that replicate: the stage of an event's way that they are for.
const stageCommit = "commit"

// labelsOf are what profiles show of a group's goroutine: its role, the stage of an event's way that it is for, and the group. Goroutines that it
// starts inherit them.
func labelsOf(s *settings, role, stage string) pprof.LabelSet {
	return pprof.Labels("role", "raft-"+role, "stage", stage, "group", s.name)
}

// labelled runs one of the group's goroutines under a name that profiles show.
func labelled(g *Group, role string, run func()) {
	//nolint:forbidigo // pprof takes labels only with a context; nothing is cancelled by it
	pprof.Do(context.Background(), labelsOf(&g.settings, role, stageCommit), func(context.Context) { run() })
}
