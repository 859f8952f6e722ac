package matcher

import (
	"fmt"
	"maps"
	"slices"
)

// orName is the member that holds an alternative of branches.
const orName = "$or"

// compiler turns the tree of a pattern's text into fields and branches. It does so in two steps: the text becomes clauses,
// which say what is written, and the clauses are expanded into branches.
type compiler struct {
	folder    *folder
	orIsName  bool // read $or as an ordinary name
	pathBytes int
}

// clause is one thing that an object demands: a field, or one of several groups of clauses.
type clause struct {
	field *field     // nil for $or
	or    [][]clause // at least two
	at    *step
	start int // offset in the text
}

func (c *compiler) pattern(top *node) (*Pattern, *mistake) {
	clauses, m := c.object(nil, top, scope{})
	if m != nil {
		return nil, m
	}
	written, m := expand([]writing{{}}, clauses)
	if m != nil {
		return nil, m
	}
	p := &Pattern{orIsName: c.orIsName}
	seen := make(map[*field]bool)
	for _, w := range written {
		b := slices.SortedFunc(maps.Values(w), func(a, b *field) int { return comparePaths(a.path, b.path) })
		p.branches = append(p.branches, b)
		for _, f := range b {
			if !seen[f] {
				seen[f] = true
				p.fields = append(p.fields, f)
			}
		}
	}
	slices.SortStableFunc(p.fields, func(a, b *field) int { return comparePaths(a.path, b.path) })
	for i, f := range p.fields {
		f.index = i
	}
	return p, nil
}

// scope is where in a pattern an object stands.
type scope struct {
	at   *step
	path string // dotted, of the fields in it
	deep bool   // whether there is any name in the path: an empty path may be one empty name
	inOr bool
}

func (s scope) below(name string) scope {
	path := name
	if s.deep {
		path = s.path + "." + name
	}
	return scope{at: s.at.member(name), path: path, deep: true, inOr: s.inOr}
}

// object appends what an object's members demand.
func (c *compiler) object(clauses []clause, n *node, s scope) ([]clause, *mistake) {
	if len(n.members) == 0 {
		return nil, &mistake{
			at: s.at, offset: n.offset, reason: "Empty objects are not allowed",
			advice: "name at least one field here, or leave the object out",
		}
	}
	for _, member := range n.members {
		var m *mistake
		if member.name == orName && !c.orIsName {
			clauses, m = c.or(clauses, member.value, s)
		} else {
			clauses, m = c.member(clauses, member, s)
		}
		if m != nil {
			return nil, m
		}
	}
	return clauses, nil
}

func (c *compiler) member(clauses []clause, member member, s scope) ([]clause, *mistake) {
	if s.inOr && reservedInOr[member.name] {
		return nil, &mistake{
			at: s.at.member(member.name), offset: member.offset,
			reason: clipTo(member.name, nameShown) + " is Ruler reserved fieldName which cannot be used inside $or.",
			advice: "inside $or an operator's name cannot be a field's; an operator stands in a field's list, as in {\"name\": [{\"prefix\": \"a\"}]}",
		}
	}
	inner := s.below(member.name)
	switch member.value.kind {
	case '{':
		return c.object(clauses, member.value, inner)
	case '[':
		f, m := c.field(member.value, inner)
		return append(clauses, clause{field: f, at: inner.at, start: member.offset}), m
	default:
		return nil, &mistake{
			at: inner.at, offset: member.value.offset,
			reason: `"` + clipTo(member.name, nameShown) + `" must be an object or an array`,
			advice: fmt.Sprintf("what is accepted stands in a list: write [%s] instead of %s", clip(member.value.source()), member.value.seen()),
		}
	}
}

// or appends an alternative of groups.
func (c *compiler) or(clauses []clause, n *node, s scope) ([]clause, *mistake) {
	at := s.at.member(orName)
	if n.kind != '[' {
		return nil, &mistake{
			at: at, offset: n.offset, reason: "It must be an Array followed with $or.",
			advice: `"$or" wants a list of two or more objects, got ` + n.seen(),
		}
	}
	group := clause{at: at, start: n.offset}
	for i, e := range n.elements {
		inner := scope{at: at.element(i), path: s.path, deep: s.deep, inOr: true}
		if e.kind != '{' {
			return nil, &mistake{
				at: inner.at, offset: e.offset, reason: "Only JSON object is allowed in array of $or relationship.",
				advice: `each entry of "$or" is an object with fields, got ` + e.seen(),
			}
		}
		fields, m := c.object(nil, e, inner)
		if m != nil {
			return nil, m
		}
		group.or = append(group.or, fields)
	}
	if len(group.or) < 2 {
		return nil, &mistake{
			at: at, offset: n.offset, reason: "There must have at least 2 Objects in $or relationship.",
			advice: fmt.Sprintf(`"$or" wants two or more objects, got %d`, len(group.or)),
		}
	}
	return append(clauses, group), nil
}

// reservedInOr are names that no field inside $or may have: the operators, and what may become one.
var reservedInOr = map[string]bool{
	"exactly": true, "equals-ignore-case": true, "prefix": true, "suffix": true, "anything-but": true, "exists": true,
	"wildcard": true, "numeric": true, "cidr": true, "=": true, "<": true, "<=": true, ">": true, ">=": true,
	"regex": true, "not-wildcard": true, "not-equals-ignore-case": true, "date-after": true, "date-on-or-after": true,
	"date-before": true, "date-on-or-before": true, "in-date-range": true, "ip-address-in-range": true,
	"ip-address-not-in-range": true,
}

// writing is a branch while it is built: the field last written to each path.
type writing map[string]*field

// expand writes clauses, in the order of the text, into each of the branches. A field replaces what the branch has at its path;
// $or makes of each branch as many as it has groups.
func expand(branches []writing, clauses []clause) ([]writing, *mistake) {
	for _, c := range last(clauses) {
		if c.field == nil {
			var m *mistake
			if branches, m = c.multiply(branches); m != nil {
				return nil, m
			}
			continue
		}
		for _, b := range branches {
			b[c.field.path] = c.field
			if len(b) > PathsMax {
				return nil, &mistake{
					at: c.at, offset: c.start, reason: fmt.Sprintf("Size of rule exceeds max value of %d", PathsMax),
					advice: fmt.Sprintf("a branch of a pattern may name %d paths, this is one more", PathsMax),
				}
			}
		}
	}
	return branches, nil
}

func (c *clause) multiply(branches []writing) ([]writing, *mistake) {
	var multiplied []writing
	for _, group := range c.or {
		copies := make([]writing, len(branches))
		for i, b := range branches {
			copies[i] = maps.Clone(b)
		}
		expanded, m := expand(copies, group)
		if m != nil {
			return nil, m
		}
		if multiplied = append(multiplied, expanded...); len(multiplied) > BranchesMax {
			return nil, &mistake{
				at: c.at, offset: c.start, reason: fmt.Sprintf("$or expands to more than %d branches", BranchesMax),
				advice: "several $or multiply; use a list of values where the branches differ in one field only, or more than one subscription",
			}
		}
	}
	return multiplied, nil
}

// last leaves out fields that are written again later in the same list, whatever the branch: they never count, and a text that
// repeats one path ten thousand times should not cost ten thousand writes to each of a thousand branches.
func last(clauses []clause) []clause {
	kept := make([]clause, 0, len(clauses))
	written := make(map[string]bool)
	for _, c := range slices.Backward(clauses) {
		if c.field != nil {
			if written[c.field.path] {
				continue
			}
			written[c.field.path] = true
		}
		kept = append(kept, c)
	}
	slices.Reverse(kept)
	return kept
}
