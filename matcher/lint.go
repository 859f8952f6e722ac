package matcher

import (
	"fmt"
	"maps"
	"slices"
)

// Finding is something in a valid pattern that its author may not have meant.
type Finding struct {
	// Rule is the finding's kind, one of the Lint constants.
	Rule LintRule `json:"rule"`
	// Path, Line, Column and Offset are the place, as in PatternError.
	Path   string `json:"path"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Offset int    `json:"offset"`
	// Text says what is there, what it means, and what may have been meant.
	Text string `json:"text"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s, line %d, column %d: %s (%s)", f.Path, f.Line, f.Column, f.Text, f.Rule)
}

// LintRule names a kind of finding.
type LintRule string

// What Lint looks for.
const (
	LintOrIsName        LintRule = "or-is-a-name"          // $or was read as a field's name
	LintReplaced        LintRule = "replaced"              // a path is written again later, which replaces it
	LintOperatorAsName  LintRule = "operator-as-name"      // a field is called like an operator
	LintCovered         LintRule = "covered"               // an alternative adds nothing to another
	LintAlways          LintRule = "always"                // the field can't fail
	LintExceptTwice     LintRule = "anything-but-twice"    // two anything-but accept what each leaves out
	LintExceptAddress   LintRule = "anything-but-address"  // anything-but compares addresses as text
	LintWildcardLiteral LintRule = "wildcard-without-star" // a wildcard that is one string
	LintMixedTypes      LintRule = "mixed-types"           // strings beside numbers
	LintNumberInQuotes  LintRule = "number-in-quotes"      // a string that looks like a number
	LintInexactNumber   LintRule = "inexact-number"        // a number that is compared by its text
)

// FindingsMax is how many findings Lint returns at most.
const FindingsMax = 100

// Lint looks for what is valid and probably not meant. The findings are in the order of the text.
func (p *Pattern) Lint() []Finding {
	if p == nil {
		return nil
	}
	top, m := parseSyntax([]byte(p.text))
	if m != nil {
		return nil // it was parsed before
	}
	l := &linter{text: p.text, compiler: compiler{folder: newFolder(), orIsName: p.orIsName}}
	l.object(top, scope{})
	if clauses, m := l.compiler.object(nil, top, scope{}); m == nil {
		l.replaced(clauses, make(map[string]*clause))
	}
	slices.SortStableFunc(l.found, func(a, b remark) int { return a.offset - b.offset })
	findings := make([]Finding, 0, min(len(l.found), FindingsMax))
	for _, r := range l.found[:min(len(l.found), FindingsMax)] {
		f := Finding{Rule: r.rule, Path: clipTo(r.at.String(), nameShown), Offset: r.offset, Text: r.text}
		f.Line, f.Column = lineColumn(p.text, r.offset)
		findings = append(findings, f)
	}
	return findings
}

// linter walks a pattern's tree.
type linter struct {
	text     string
	compiler compiler
	found    []remark
}

// remark is a Finding whose place is not yet written out.
type remark struct {
	rule   LintRule
	at     *step
	offset int
	text   string
}

func (l *linter) addf(rule LintRule, at *step, offset int, format string, arguments ...any) {
	l.found = append(l.found, remark{rule: rule, at: at, offset: offset, text: fmt.Sprintf(format, arguments...)})
}

func (l *linter) object(n *node, s scope) {
	for _, member := range n.members {
		inner := s.below(member.name)
		switch {
		case member.name == orName && !l.compiler.orIsName:
			for i, e := range member.value.elements {
				l.object(e, scope{at: inner.at.element(i), path: s.path, deep: s.deep, inOr: true})
			}
			continue
		case member.name == orName:
			l.addf(LintOrIsName, inner.at, member.offset, `"$or" is read as the name of a field here, because it is no list of two or more objects with fields`)
		case reservedInOr[member.name] && inner.at.above != nil:
			// {"amount": {"numeric": [">", 5]}} is a field amount.numeric that may be ">" or 5.
			l.addf(LintOperatorAsName, inner.at, member.offset, "this is a field called %s, not the operator; the operator stands in a list: [{%s: ...}]", quote(member.name), quote(member.name))
			continue
		}
		if member.value.kind == '{' {
			l.object(member.value, inner)
		} else {
			l.list(member.value, inner)
		}
	}
}

// replaced compares what clauses write with what was written before. Groups of $or go on from what is outside, each by itself.
func (l *linter) replaced(clauses []clause, written map[string]*clause) {
	for i := range clauses {
		c := &clauses[i]
		if c.field == nil {
			l.replacedInOr(c, written)
			continue
		}
		if before := written[c.field.path]; before != nil {
			line, column := lineColumn(l.text, c.start)
			l.addf(LintReplaced, before.at, before.start, "%s is written again at line %d, column %d, which replaces this list; to accept either, put both into one", quote(clip(c.field.path)), line, column)
		}
		written[c.field.path] = c
	}
}

func (l *linter) replacedInOr(c *clause, written map[string]*clause) {
	inside := make(map[string]*clause)
	for _, group := range c.or {
		own := make(map[string]*clause)
		l.replaced(group, own)
		for path, later := range own {
			if before := written[path]; before != nil {
				line, column := lineColumn(l.text, later.start)
				l.addf(LintReplaced, before.at, before.start, "%s is written again at line %d, column %d, inside $or, which replaces this list in that branch", quote(clip(path)), line, column)
			}
			inside[path] = later
		}
	}
	maps.Copy(written, inside)
}
