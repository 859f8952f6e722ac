package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// helpFlag prints the help of the command before it.
type helpFlag bool

// errHelpPrinted ends parsing: nothing is left to do.
var errHelpPrinted = errors.New("help was printed")

// helpWidth is how wide help is written, whatever the terminal: it reads best.
const helpWidth = 96

// BeforeReset comes before anything is checked, so that a command's help needs
// none of its arguments.
func (helpFlag) BeforeReset(parsed *kong.Context, around surroundings) error {
	node := parsed.Selected()
	if node == nil {
		node = parsed.Model.Node
	}
	if _, err := io.WriteString(around.stdout, helpText(parsed.Model, node)); err != nil {
		return err
	}
	return errHelpPrinted
}

// helpText is the help of a command, of a noun, or of the whole program.
func helpText(app *kong.Application, node *kong.Node) string {
	var b strings.Builder
	switch {
	case node == app.Node:
		b.WriteString("freshet moves events: patterns decide who gets them, queues and fan-outs hand them out.\n\n")
		b.WriteString("usage: freshet <command> [flags]\n")
		writeCommands(&b, node)
		b.WriteString("\nfreshet <command> --help tells more. Start with: freshet dev\n")
	case node.DefaultCmd != nil:
		return helpText(app, node.DefaultCmd)
	case len(node.Children) > 0:
		fmt.Fprintf(&b, "%s\n\nusage: %s <verb> [flags]\n", node.Help, node.FullPath())
		writeCommands(&b, node)
	default:
		fmt.Fprintf(&b, "%s\n\nusage: %s\n", node.Help, usageLine(node))
		if node.Detail != "" {
			b.WriteString("\n" + strings.Trim(node.Detail, "\n") + "\n")
		}
		writeArguments(&b, node)
		writeFlags(&b, node)
		if node.Parent.DefaultCmd == node {
			writeCommands(&b, node.Parent)
		}
	}
	return b.String()
}

// usageLine is "freshet send TOPIC [DATA] [flags]".
func usageLine(node *kong.Node) string {
	words := []string{pathOf(node)}
	for _, argument := range node.Positional {
		words = append(words, argumentName(argument))
	}
	return strings.Join(append(words, "[flags]"), " ")
}

// argumentName is TOPIC, or [DATA] where it may be left out.
func argumentName(argument *kong.Positional) string {
	name := strings.ToUpper(argument.Name)
	if !argument.Required {
		return "[" + name + "]"
	}
	return name
}

// pathOf is "freshet topic list", without kong's mention of aliases. What a noun
// does without a verb has the noun's own: "freshet dev".
func pathOf(node *kong.Node) string {
	switch {
	case node.Parent == nil:
		return node.Name
	case node.Parent.DefaultCmd == node:
		return pathOf(node.Parent)
	}
	return pathOf(node.Parent) + " " + node.Name
}

// writeCommands lists the commands below a node, by group.
func writeCommands(b *strings.Builder, node *kong.Node) {
	group := "-"
	var rows [][2]string
	flush := func() {
		writeTwoColumns(b, rows)
		rows = nil
	}
	for _, leaf := range node.Leaves(true) {
		if leaf == node.DefaultCmd {
			continue // its help is what this stands below
		}
		title := "Verbs"
		if closest := leaf.ClosestGroup(); closest != nil && node.Parent == nil {
			title = closest.Title
		}
		if title != group {
			flush()
			fmt.Fprintf(b, "\n%s\n", title)
			group = title
		}
		name := strings.TrimPrefix(pathOf(leaf), pathOf(node)+" ")
		rows = append(rows, [2]string{name, leaf.Help})
	}
	flush()
}

func writeArguments(b *strings.Builder, node *kong.Node) {
	if len(node.Positional) == 0 {
		return
	}
	b.WriteString("\nArguments\n")
	rows := make([][2]string, 0, len(node.Positional))
	for _, argument := range node.Positional {
		rows = append(rows, [2]string{strings.ToUpper(argument.Name), argument.Help})
	}
	writeTwoColumns(b, rows)
}

// writeFlags lists a command's own flags, then the everyday ones it uses.
func writeFlags(b *strings.Builder, node *kong.Node) {
	uses := everyday(0)
	if described, ok := reflect.TypeAssert[command](node.Target.Addr()); ok {
		uses = described.uses()
	}
	var own, everywhere [][2]string
	for _, level := range node.AllFlags(true) {
		for _, flag := range level {
			use, isEveryday := everydayOf[flag.Name]
			row := [2]string{flagName(flag), flag.Help}
			if fallback := flag.Tag.Get("fallback"); fallback != "" && !flag.IsBool() {
				row[1] = strings.TrimSuffix(row[1], ".") + "; default " + fallback + "."
			}
			switch {
			case isEveryday && uses&use == 0:
			case isEveryday || flag.Name == "help":
				everywhere = append(everywhere, row)
			default:
				own = append(own, row)
			}
		}
	}
	if len(own) > 0 {
		b.WriteString("\nFlags\n")
		writeTwoColumns(b, own)
	}
	b.WriteString("\nEverywhere\n")
	writeTwoColumns(b, everywhere)
}

// flagName is "-t, --type TYPE".
func flagName(flag *kong.Flag) string {
	name := "    --" + flag.Name
	if flag.Short != 0 {
		name = fmt.Sprintf("-%c, --%s", flag.Short, flag.Name)
	}
	if flag.IsBool() {
		return name
	}
	if flag.PlaceHolder != "" {
		return name + " " + flag.PlaceHolder
	}
	return name + " " + strings.ToUpper(flag.Name)
}

// writeTwoColumns writes names on the left, texts wrapped on the right.
func writeTwoColumns(b *strings.Builder, rows [][2]string) {
	left := 0
	for _, row := range rows {
		left = max(left, len(row[0]))
	}
	for _, row := range rows {
		for i, line := range wrapped(row[1], helpWidth-left-4) {
			name := ""
			if i == 0 {
				name = row[0]
			}
			fmt.Fprintf(b, "  %-*s  %s\n", left, name, line)
		}
	}
}

// wrapped breaks a text into lines of at most width bytes, between words.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
