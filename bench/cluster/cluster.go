package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Cluster is some nodes as processes. Safe for concurrent use, but for Close,
// which comes last.
type Cluster struct {
	Options
	nodes []*Node
}

// New takes the ports and writes the configurations; nothing runs yet. A port that
// somebody else has is a *PortError. Close gives the ports back.
func New(ctx context.Context, o Options) (_ *Cluster, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	// Children run in this process's working directory, and files are named to people.
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{Options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for i := range o.Nodes {
		made, err := newNode(ctx, &c.Options, i)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, made)
	}
	for _, n := range c.nodes {
		if err := writeConfiguration(n, c.nodes); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Nodes are the cluster's, n1 first.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// Node is the one of a name, or nil.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.nodes {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// Target is what client.Connect wants: the nodes' addresses for clients.
func (c *Cluster) Target() string {
	addresses := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addresses[i] = n.API()
	}
	return strings.Join(addresses, ",")
}

// Start starts every node, and waits until each says that it serves, for as long
// as ctx allows. When it returns an error some may run: Close ends them.
func (c *Cluster) Start(ctx context.Context) error {
	// All at once: a node alone may be waiting for the others.
	all, ctx := errgroup.WithContext(ctx)
	for _, n := range c.nodes {
		all.Go(func() error { return n.Start(ctx) })
	}
	return all.Wait()
}

// Close ends what runs, in order where that works within some seconds and by force
// where not, and gives the ports back. Files stay.
func (c *Cluster) Close() error {
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		all.Go(func() { errs[i] = n.close() })
	}
	all.Wait()
	return errors.Join(errs...)
}
