package trial

import (
	"context"
	"errors"
	"slices"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/client"
)

// errBehind is what is the matter with a node that was let in and doesn't count yet.
var errBehind = errors.New("it was let in, and has not caught up")

// LetIn has the cluster let a node with an empty disk take part, and waits until it counts. An error says what the matter was when ctx ended.
func LetIn(ctx context.Context, admin *client.Admin, name string) error {
	for asked := false; ; {
		err := letIn(ctx, admin, name, &asked)
		if err == nil || !clients.Pause(ctx, letInEvery) {
			return err
		}
	}
}

// letIn asks for it, if that has not been heard yet, and then whether the node counts.
func letIn(ctx context.Context, admin *client.Admin, name string, asked *bool) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var refused error
	if !*asked {
		_, refused = admin.ReplaceNode(ctx, name)
		*asked = refused == nil // or its answer was lost, and then it is refused as one of which nothing is lost: so it is looked at anyway
	}
	seen, err := admin.Cluster(ctx)
	if err != nil {
		return errors.Join(refused, err)
	}
	counts := func(n client.Node) bool { return n.Name == name && n.Reached && !n.Waiting && !n.Joining }
	switch {
	case slices.ContainsFunc(seen.Nodes, counts):
		return nil
	case refused != nil:
		return refused
	}
	return errBehind
}
