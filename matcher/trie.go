package matcher

import "strings"

// trieNode is a place in the trie of paths that rules use. A path is cut at its dots, and so are the names of events that have any:
// {"a.b":1} and {"a":{"b":1}} arrive at one node. Nodes are numbered; number 0 is the top.
type trieNode struct {
	name  string // of the step that leads here
	above uint32
	// twin is another node whose edge has the same hash, by its number and 1; 0 for none.
	twin uint32
	// marks has a bit for each name of a step that leads on (nameMark); bits of steps that are gone may remain.
	marks uint64
	// steps is how many steps lead on, and wanted whether a field of some rule is here.
	steps  uint32
	wanted bool
}

// nameMark picks one of 64 bits for a name, to see at a glance that no step has it.
func nameMark(name string) uint64 {
	n := len(name)
	if n == 0 {
		return 1
	}
	return 1 << ((uint(n) + 7*uint(name[0]) + 13*uint(name[n-1])) & 63)
}

func edgeHash(above uint32, name string) uint32 {
	return uint32(multiply(hashText(name)^uint64(above), hashKeyB))
}

// trie holds the nodes.
type trie struct {
	nodes paged[trieNode]
	kinds paged[valueKinds] // by node, for those that are wanted
	edges hashIndex         // from edgeHash to the number of a node and 1
}

// noNode is the way to nowhere.
const noNode = -1

// step follows a name without dots.
func (t *trie) step(from int32, name string) int32 {
	above := t.nodes.at(uint32(from))
	if above.marks&nameMark(name) == 0 {
		return noNode
	}
	for next := t.edges.find(edgeHash(uint32(from), name)); next != 0; {
		n := t.nodes.at(next - 1)
		if n.above == uint32(from) && n.name == name {
			return int32(next - 1)
		}
		next = n.twin
	}
	return noNode
}

// walk follows a name that may have dots.
func (t *trie) walk(from int32, name string) int32 {
	for from != noNode {
		head, rest, more := strings.Cut(name, ".")
		from = t.step(from, head)
		if !more {
			break
		}
		name = rest
	}
	return from
}

// wantedAt returns the ways of looking for values at a node; nil if it is none, or no field of any rule is there.
func (t *trie) wantedAt(at int32) *valueKinds {
	if at == noNode || !t.nodes.at(uint32(at)).wanted {
		return nil
	}
	return t.kinds.at(uint32(at))
}

// trieWriter changes a trie.
type trieWriter struct {
	trie
	free  numbers
	users map[uint32]uint32 // how many checks want each node
}

// want finds or makes the node of a path for one more check.
func (t *trieWriter) want(path string, now edition) uint32 {
	at := uint32(0)
	for step := range strings.SplitSeq(path, ".") {
		if next := t.step(int32(at), step); next != noNode {
			at = uint32(next)
		} else {
			at = t.grow(at, step, now)
		}
	}
	if t.users[at]++; t.users[at] == 1 {
		t.nodes.edit(at, now).wanted = true
		*t.kinds.edit(at, now) = valueKinds{}
	}
	return at
}

func (t *trieWriter) grow(above uint32, name string, now edition) uint32 {
	number := t.free.take()
	hash := edgeHash(above, name)
	*t.nodes.edit(number, now) = trieNode{name: strings.Clone(name), above: above, twin: t.edges.find(hash)}
	t.edges.put(hash, number+1, now)
	from := t.nodes.edit(above, now)
	from.steps++
	from.marks |= nameMark(name)
	return number
}

// drop undoes one want, and takes away what leads nowhere then.
func (t *trieWriter) drop(at uint32, now edition) {
	if t.users[at]--; t.users[at] > 0 {
		return
	}
	delete(t.users, at)
	t.nodes.edit(at, now).wanted = false
	for at != 0 {
		n := t.nodes.at(at)
		if n.wanted || n.steps > 0 {
			return
		}
		above := n.above
		t.cut(at, n, now)
		from := t.nodes.edit(above, now)
		if from.steps--; from.steps == 0 {
			from.marks = 0
		}
		at = above
	}
}

// cut takes a node out of the list of those with the hash of its edge.
func (t *trieWriter) cut(at uint32, n *trieNode, now edition) {
	hash := edgeHash(n.above, n.name)
	if first := t.edges.find(hash); first == at+1 {
		t.edges.put(hash, n.twin, now)
	} else {
		before := first - 1
		for t.nodes.at(before).twin != at+1 {
			before = t.nodes.at(before).twin - 1
		}
		t.nodes.edit(before, now).twin = n.twin
	}
	*t.nodes.edit(at, now) = trieNode{}
	t.free.giveBack(at)
}
