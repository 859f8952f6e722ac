package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// kong says in one English sentence what it refused. These find the parts of
// its sentences; a sentence that none of them knows is passed on as it is.
// Scripts in testdata/usage.txt hold every one of them.
var (
	kongUnknownFlag  = regexp.MustCompile(`^unknown flag (-[^\s,]*)`)
	kongUnexpected   = regexp.MustCompile(`^unexpected argument (.*?)(?:, did you mean .*)?$`)
	kongMissingVerb  = regexp.MustCompile(`^expected one of "`)
	kongMissingArgs  = regexp.MustCompile(`^(?:expected|missing positional arguments) "?(<.*>)"?$`)
	kongMissingFlags = regexp.MustCompile(`^missing flags: (.*)$`)
	kongNoValue      = regexp.MustCompile(`^([-<\[].*?): expected .* value but got "(.*?)" \((.*)\)`)
	kongEnum         = regexp.MustCompile(`^(\S+) must be one of (\S+) but got "(.*)"$`)
	kongValue        = regexp.MustCompile(`(?s)^(--\S+|\[?<\S+>\]?): (.*)$`)
)

// usageOf turns kong's refusal into ours: the flag or argument by name, the
// nearest one that exists, and where to read on.
func usageOf(app *kong.Application, args []string, err error) error {
	if already, ok := errors.AsType[*failure](err); ok {
		return already
	}
	node := app.Node
	if parsed, ok := errors.AsType[*kong.ParseError](err); ok && parsed.Context != nil {
		if selected := parsed.Context.Selected(); selected != nil {
			node = selected
		}
	}
	text, here := err.Error(), pathOf(node)
	help := here + " --help"
	if found := kongUnknownFlag.FindStringSubmatch(text); found != nil {
		return unknownFlag(node, found[1], args)
	}
	if found := kongUnexpected.FindStringSubmatch(text); found != nil {
		return unexpectedArgument(node, found[1], args)
	}
	if kongMissingVerb.MatchString(text) {
		return usageFailure(fmt.Sprintf("%q wants a verb: %s", here, strings.Join(verbs(node), ", "))).trying(help)
	}
	if found := kongMissingArgs.FindStringSubmatch(text); found != nil {
		names := strings.Fields(strings.ToUpper(strings.NewReplacer("<", "", ">", "").Replace(found[1])))
		return usageFailure(fmt.Sprintf("%s is missing", strings.Join(names, " and ")), "usage: "+usageLine(node)).trying(help)
	}
	if found := kongMissingFlags.FindStringSubmatch(text); found != nil {
		return usageFailure(fmt.Sprintf("%s is missing", found[1]), "usage: "+usageLine(node)).trying(help)
	}
	if found := kongNoValue.FindStringSubmatch(text); found != nil {
		return missingValue(found[1], found[2], found[3] == "<EOL>").trying(help)
	}
	if found := kongEnum.FindStringSubmatch(text); found != nil {
		allowed := strings.Split(strings.ReplaceAll(found[2], `"`, ""), ",")
		refused := usageFailure(fmt.Sprintf("%s wants one of %s, got %q", found[1], strings.Join(allowed, ", "), found[3]))
		if near := closest(found[3], allowed); near != "" {
			refused.seen = append(refused.seen, fmt.Sprintf("closest: %q", near))
		}
		return refused.trying(help)
	}
	if found := kongValue.FindStringSubmatch(text); found != nil {
		return usageFailure(plainName(found[1]) + " " + found[2]).trying(help)
	}
	return usageFailure(text, "got: freshet "+strings.Join(args, " ")).trying(help)
}

// plainName is TOPIC for kong's "[<topic>]", and --flag for itself.
func plainName(name string) string {
	if strings.HasPrefix(name, "--") {
		return name
	}
	return strings.ToUpper(strings.Trim(name, "[<>]"))
}

func missingValue(name, got string, nothing bool) *failure {
	name = plainName(name)
	if nothing {
		return usageFailure(name + " wants a value behind it")
	}
	return usageFailure(fmt.Sprintf("%s wants a value, got the flag %q", name, got),
		fmt.Sprintf("a value that begins with - is written %s=%s", name, got))
}

func unknownFlag(node *kong.Node, flag string, args []string) *failure {
	var names []string
	for _, level := range node.AllFlags(true) {
		for _, known := range level {
			names = append(names, "--"+known.Name)
		}
	}
	refused := usageFailure(fmt.Sprintf("%q has no flag %s", pathOf(node), flag))
	if near := closest(flag, names); near != "" {
		refused.seen = append(refused.seen, "closest: "+near)
		return refused.trying(corrected(args, flag, near))
	}
	return refused.trying(pathOf(node) + " --help")
}

// corrected is the command line with one word put right, ready to be pasted.
func corrected(args []string, wrong, right string) string {
	words := []string{"freshet"}
	for _, arg := range args {
		if name, value, ok := strings.Cut(arg, "="); ok && name == wrong {
			arg, wrong = right+"="+value, ""
		} else if arg == wrong && wrong != "" {
			arg, wrong = right, ""
		}
		words = append(words, shellQuote(arg))
	}
	return strings.Join(words, " ")
}

// unexpectedArgument is a command that isn't there, or one argument too many.
func unexpectedArgument(node *kong.Node, got string, args []string) *failure {
	if node.Parent != nil && node.Parent.DefaultCmd == node {
		node = node.Parent // a verb was meant
	}
	here := pathOf(node)
	if len(node.Children) == 0 {
		return usageFailure(fmt.Sprintf("%q has no use for %q", here, got), "usage: "+usageLine(node)).trying(here + " --help")
	}
	refused := usageFailure(fmt.Sprintf("%q has no command %q", here, got))
	known := verbs(node)
	near := closest(got, known)
	if swapped := nounFirst(node, got, args); swapped != "" {
		refused.seen = append(refused.seen, "the noun comes first")
		return refused.trying(swapped)
	}
	if near == "" && node.Parent == nil {
		// Somebody may have begun with the verb, and with no noun at all.
		for _, leaf := range node.Leaves(true) {
			if leaf.Name == got || slices.Contains(leaf.Aliases, got) {
				refused.try = append(refused.try, pathOf(leaf)+" --help")
			}
		}
		if len(refused.try) > 0 {
			refused.seen = append(refused.seen, "the noun comes first")
			return refused
		}
	}
	if near != "" {
		refused.seen = append(refused.seen, fmt.Sprintf("closest: %q", near))
		return refused.trying(corrected(args, got, near))
	}
	if node.Parent != nil {
		refused.seen = append(refused.seen, "there are: "+strings.Join(known, ", "))
	}
	return refused.trying(here + " --help")
}

// nounFirst is the command line with noun and verb in their order, where they
// stand the other way round: "freshet create topic orders".
func nounFirst(node *kong.Node, verb string, args []string) string {
	if node.Parent != nil || len(args) < 2 || args[0] != verb {
		return ""
	}
	for _, noun := range node.Children {
		if noun.Name == args[1] && slices.Contains(verbs(noun), verb) {
			return corrected(append([]string{args[1], verb}, args[2:]...), "", "")
		}
	}
	return ""
}

// verbs are the commands right below a node.
func verbs(node *kong.Node) []string {
	var names []string
	for _, child := range node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}
