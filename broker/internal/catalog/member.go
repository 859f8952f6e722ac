package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/freshet-mq/freshet/broker/internal/catalog/catalogpb"
)

// Member is a node, and the data directory with which it takes part. What the directory has promised to the others it must
// keep; a node that comes with an empty one has forgotten that, and takes part only as somebody new: in the next
// generation.
type Member struct {
	Node string
	// Directory is the id that the directory was given when it was made.
	Directory string
	// Generation is 1 for the directory that the node came with first, and one more for each that took its place.
	Generation uint32
}

// generationsMax is how often a node can be replaced.
const generationsMax = 1 << 20

// ReplaceMember has a node take part with another directory. Done twice it is done once.
type ReplaceMember struct {
	Node, Directory string
	// Generation is that of the directory whose place is taken, so that of two replacements at once one is refused.
	Generation uint32
}

func (c ReplaceMember) withDefaults() Command { return c }

func (c ReplaceMember) check() *Error {
	return Member(c).check()
}

func (m Member) check() *Error {
	if refused := checkName("node", m.Node); refused != nil {
		return refused
	}
	switch {
	case m.Directory == "" || len(m.Directory) > DirectoryBytesMax:
		return outside("bytes of directory", int64(len(m.Directory)), 1, DirectoryBytesMax)
	case !utf8.ValidString(m.Directory):
		return wrong("directory", "is not UTF-8")
	case m.Generation < 1 || m.Generation > generationsMax:
		return outside("generation", int64(m.Generation), 1, generationsMax)
	}
	return nil
}

// checkFounders wants members in the order of their names, each with its first directory.
func checkFounders(members []Member) *Error {
	if len(members) > NodesMax {
		return tooMany("members", " of a cluster", NodesMax)
	}
	for i, m := range members {
		if refused := m.check(); refused != nil {
			return refused
		}
		switch {
		case i > 0 && m.Node <= members[i-1].Node:
			return wrong("members", "has %q behind %q; they must be sorted, each once", m.Node, members[i-1].Node)
		case m.Generation != 1:
			return wrong("members", "has %q in generation %d; a cluster is founded with the first", m.Node, m.Generation)
		}
	}
	return nil
}

// replaceMember has a directory take the place of a node's last one.
func (v *View) replaceMember(index uint64, c ReplaceMember) (*View, Result) {
	i, known := v.findMember(c.Node)
	switch {
	case !known:
		return v, Result{Err: wrong("node", "%q is no member of the cluster", c.Node)}
	case v.members[i].Directory == c.Directory:
		return v, Result{Member: v.members[i]}
	case v.members[i].Generation != c.Generation || c.Generation == generationsMax:
		return v, Result{Err: wrong("generation", "is %d; %s is in generation %d by now", c.Generation, c.Node, v.members[i].Generation)}
	}
	next := v.next(index)
	next.members = slices.Clone(v.members)
	next.members[i].Directory = c.Directory
	next.members[i].Generation++
	return next, Result{Created: true, Member: next.members[i]}
}

func (v *View) findMember(node string) (int, bool) {
	return slices.BinarySearchFunc(v.members, node, func(m Member, node string) int { return cmp.Compare(m.Node, node) })
}

// Member returns a node's part in the cluster.
func (v *View) Member(node string) (Member, bool) {
	i, known := v.findMember(node)
	if !known {
		return Member{}, false
	}
	return v.members[i], true
}

// Members returns all members in the order of their names. A cluster that is one node has none.
func (v *View) Members() []Member { return slices.Clone(v.members) }

func membersToWire(members []Member) (wire []*catalogpb.Member) {
	for _, m := range members {
		wire = append(wire, &catalogpb.Member{Node: m.Node, Directory: m.Directory, Generation: m.Generation})
	}
	return wire
}

func membersFromWire(wire []*catalogpb.Member) (members []Member) {
	for _, m := range wire {
		members = append(members, Member{Node: m.GetNode(), Directory: m.GetDirectory(), Generation: m.GetGeneration()})
	}
	return members
}

// restoreMembers takes the members of a checkpoint.
func (v *View) restoreMembers(wire []*catalogpb.Member) error {
	if len(wire) > NodesMax {
		return fmt.Errorf("%d members, the limit is %d", len(wire), NodesMax)
	}
	for i, m := range membersFromWire(wire) {
		if refused := m.check(); refused != nil {
			return fmt.Errorf("member: %w", refused)
		}
		if i > 0 && m.Node <= v.members[i-1].Node {
			return fmt.Errorf("member %q behind %q", m.Node, v.members[i-1].Node)
		}
		v.members = append(v.members, m)
	}
	return nil
}
