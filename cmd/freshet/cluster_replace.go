package main

import (
	"context"

	"github.com/freshet-mq/freshet/client"
)

// clusterReplaceCommand lets a node in anew.
type clusterReplaceCommand struct {
	Node string `arg:"" help:"Name of the node, as cluster status has it."`
}

// Help tells more.
func (*clusterReplaceCommand) Help() string {
	return `
For a node whose disk is gone: start it with the same configuration and an empty data directory. It
takes part in nothing, since it has forgotten what it promised to the others, until you say here that
the directory it had is gone for good. Then the others send it all that it lacks, partition by
partition, and it votes and leads again; freshet cluster status shows how far that is. The old
directory, should it turn up, is refused from then on.

  freshet cluster replace n3
  freshet cluster replace n3 --server 10.0.0.1:7600 --json
`
}

func (*clusterReplaceCommand) uses() everyday { return usesServer | usesOutput }

// replaceAnswer is what cluster replace says to programs.
type replaceAnswer struct {
	Node       string `json:"node"`
	Generation uint32 `json:"generation"` // 2 after the first replacement
}

func (c *clusterReplaceCommand) run(ctx context.Context, call *invocation) error {
	return call.withClient(ctx, func(cl *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		generation, err := cl.Admin().ReplaceNode(ctx, c.Node)
		if err != nil {
			return err
		}
		if call.out.structured() {
			call.out.object(replaceAnswer{Node: c.Node, Generation: generation})
			return nil
		}
		call.out.linef("%s takes part anew (generation %d)", printable(c.Node), generation)
		call.notef("freshet cluster status shows how far its replicas are")
		return nil
	})
}
