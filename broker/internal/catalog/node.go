package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/freshet-mq/freshet/broker/internal/catalog/catalogpb"
)

// Node is a server of the cluster, as it told of itself when it last started.
type Node struct {
	Name string
	// APIAddress is where clients reach it, PeerAddress where other nodes do; empty: nowhere.
	APIAddress, PeerAddress string
	// Version is the release that it runs.
	Version string
	// Changed is the index of the entry that changed it last.
	Changed uint64
}

// PutNode says where a node is reached, and what it runs. The last one of a name is in force.
type PutNode struct {
	Name                             string
	APIAddress, PeerAddress, Version string
}

func (c PutNode) withDefaults() Command { return c }

func (c PutNode) check() *Error {
	if refused := checkName("node", c.Name); refused != nil {
		return refused
	}
	for _, text := range []struct {
		field, value string
		limit        int
	}{
		{"api_address", c.APIAddress, AddressBytesMax}, {"peer_address", c.PeerAddress, AddressBytesMax}, {"version", c.Version, VersionBytesMax},
	} {
		switch {
		case len(text.value) > text.limit:
			return tooLarge(text.field, int64(len(text.value)), int64(text.limit), "bytes")
		case !utf8.ValidString(text.value):
			return wrong(text.field, "is not UTF-8")
		}
	}
	return nil
}

// putNode takes a node in, or changes what is known of it.
func (v *View) putNode(index uint64, c PutNode) (*View, Result) {
	node := Node{Name: c.Name, APIAddress: c.APIAddress, PeerAddress: c.PeerAddress, Version: c.Version, Changed: index}
	i, known := v.findNode(c.Name)
	if known {
		there := v.nodes[i]
		if node.Changed = there.Changed; node == there {
			return v, Result{Node: there}
		}
		node.Changed = index
	}
	if !known && len(v.nodes) >= NodesMax {
		return v, Result{Err: tooMany("nodes", " of a cluster", NodesMax)}
	}
	next := v.next(index)
	next.nodes = slices.Clone(v.nodes)
	if known {
		next.nodes[i] = node
	} else {
		next.nodes = slices.Insert(next.nodes, i, node)
	}
	return next, Result{Created: !known, Node: node}
}

func (v *View) findNode(name string) (int, bool) {
	return slices.BinarySearchFunc(v.nodes, name, func(n Node, name string) int { return cmp.Compare(n.Name, name) })
}

// Node returns the node of that name.
func (v *View) Node(name string) (Node, bool) {
	i, known := v.findNode(name)
	if !known {
		return Node{}, false
	}
	return v.nodes[i], true
}

// Nodes returns all nodes in the order of their names: those that have ever told of themselves.
func (v *View) Nodes() []Node { return slices.Clone(v.nodes) }

// restoreNodes takes the nodes of a checkpoint.
func (v *View) restoreNodes(nodes []*catalogpb.Node) error {
	if len(nodes) > NodesMax {
		return fmt.Errorf("%d nodes, the limit is %d", len(nodes), NodesMax)
	}
	last := ""
	for _, n := range nodes {
		command := PutNode{Name: n.GetName(), APIAddress: n.GetApiAddress(), PeerAddress: n.GetPeerAddress(), Version: n.GetVersion()}
		if refused := command.check(); refused != nil {
			return fmt.Errorf("node: %w", refused)
		}
		switch {
		case n.GetName() <= last:
			return fmt.Errorf("node %q behind %q", n.GetName(), last)
		case n.GetChanged() == 0 || n.GetChanged() > v.version:
			return fmt.Errorf("node %q changed by entry %d, and the last change was by %d", n.GetName(), n.GetChanged(), v.version)
		}
		last = n.GetName()
		v.nodes = append(v.nodes, Node{
			Name: command.Name, APIAddress: command.APIAddress, PeerAddress: command.PeerAddress, Version: command.Version, Changed: n.GetChanged(),
		})
	}
	return nil
}
