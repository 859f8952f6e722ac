package matcher

import "fmt"

// text is the operand of an operator that wants a string.
func text(operator, reason string, operand *node, at *step) (string, *mistake) {
	if operand.kind == '"' {
		return operand.text, nil
	}
	advice := fmt.Sprintf("%q wants a string, got %s", operator, operand.seen())
	if operand.kind == '[' {
		advice += "; for several, write several objects in the field's list"
	}
	return "", &mistake{at: at, offset: operand.offset, reason: reason, advice: advice}
}

func (c *compiler) exactly(operand *node, at *step) (alternative, *mistake) {
	s, m := text("exactly", "exact match pattern must be a string", operand, at)
	return exactly{exactText(s)}, m
}

func (c *compiler) equalsIgnoreCase(operand *node, at *step) (alternative, *mistake) {
	s, m := text("equals-ignore-case", "equals-ignore-case match pattern must be a string", operand, at)
	if m != nil {
		return nil, m
	}
	return equalFold{c.folder.fold(s)}, nil
}

func (c *compiler) prefix(operand *node, at *step) (alternative, *mistake) {
	if operand.kind == '{' {
		f, m := c.affixIgnoreCase("prefix", "Prefix", operand, at)
		return prefixFold{f}, m
	}
	s, m := text("prefix", "prefix match pattern must be a string", operand, at)
	return prefix(s), m
}

func (c *compiler) suffix(operand *node, at *step) (alternative, *mistake) {
	if operand.kind == '{' {
		f, m := c.affixIgnoreCase("suffix", "Suffix", operand, at)
		return suffixFold{f}, m
	}
	s, m := text("suffix", "suffix match pattern must be a string", operand, at)
	return suffix(s), m
}

// affixIgnoreCase reads {"equals-ignore-case": string} inside prefix or suffix.
func (c *compiler) affixIgnoreCase(operator, title string, n *node, at *step) (fold, *mistake) {
	advice := fmt.Sprintf(`%q wants a string or {"equals-ignore-case": string}`, operator)
	if len(n.members) == 0 {
		return fold{}, &mistake{at: at, offset: n.offset, reason: title + " expression name not found", advice: advice + ", got an empty object"}
	}
	first := n.members[0]
	inner := at.member(first.name)
	if first.name != "equals-ignore-case" {
		return fold{}, &mistake{at: inner, offset: first.offset, reason: "Unsupported " + operator + " pattern: " + clipTo(first.name, nameShown), advice: advice}
	}
	s, m := text("equals-ignore-case", "equals-ignore-case match pattern must be a string", first.value, inner)
	if m == nil && len(n.members) > 1 {
		m = secondKey(n, at, first.name)
	}
	if m != nil {
		return fold{}, m
	}
	return c.folder.fold(s), nil
}

func (c *compiler) wildcard(operand *node, at *step) (alternative, *mistake) {
	s, m := text("wildcard", "wildcard match pattern must be a string", operand, at)
	if m != nil {
		return nil, m
	}
	return readWildcard(s, operand, at)
}

func readWildcard(s string, operand *node, at *step) (alternative, *mistake) {
	w, wrong := parseWildcard(s)
	if wrong == nil {
		return w, nil
	}
	advice := "write one star: it already stands for anything"
	if s[wrong.at] == '\\' {
		advice = `a backslash makes a star or a backslash an ordinary character, and stands before nothing else; in JSON it is written twice: "\\*"`
	}
	return nil, &mistake{at: at, offset: operand.offset, reason: wrong.reason(), advice: advice}
}
