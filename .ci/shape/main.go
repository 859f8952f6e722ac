// Command shape prints the tail of the tree: its ten longest files and ten
// longest functions, code and tests apart, with the medians for comparison.
// It judges nothing. A codebase gets hard to enter at its tail, so the tail is
// what a reviewer should look at from time to time.
//
// Generated files are left out, as are testdata and directories beginning
// with a dot.
//
//	go run .ci/shape/main.go [DIR]
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// longest is how many entries each list has.
const longest = 10

// measured is one file or one function and its length.
type measured struct {
	where string // path, or path:line and the function's name
	lines int
}

// part is one half of the tree: the code, or its tests.
type part struct {
	name      string
	files     []measured
	functions []measured
	comments  int // lines of comments in all files
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := run(os.Stdout, root); err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, root string) error {
	code, tests := &part{name: "code"}, &part{name: "tests"}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		case strings.HasSuffix(path, "_test.go"):
			return tests.measure(path)
		case strings.HasSuffix(path, ".go"):
			return code.measure(path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	return errors.Join(code.print(out), tests.print(out), out.Flush())
}

// measure adds a file and its functions, unless a program wrote it.
func (p *part) measure(path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(file) {
		return nil
	}
	span := func(n ast.Node) int {
		return set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
	}
	p.files = append(p.files, measured{path, set.File(file.FileStart).LineCount()})
	for _, group := range file.Comments {
		p.comments += span(group)
	}
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			where := fmt.Sprintf("%s:%d %s", path, set.Position(function.Pos()).Line, function.Name.Name)
			p.functions = append(p.functions, measured{where, span(function)})
		}
	}
	return nil
}

func (p *part) print(w io.Writer) error {
	total := 0
	for _, file := range p.files {
		total += file.lines
	}
	_, err := fmt.Fprintf(w, "%s: %d files, %d lines, %d of them comments\n", p.name, len(p.files), total, p.comments)
	err = errors.Join(err, list(w, "files", p.files), list(w, "functions", p.functions))
	_, ended := fmt.Fprintln(w)
	return errors.Join(err, ended)
}

// list prints the longest entries, the longest first.
func list(w io.Writer, noun string, all []measured) error {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b measured) int {
		return cmp.Or(cmp.Compare(b.lines, a.lines), strings.Compare(a.where, b.where))
	})
	_, err := fmt.Fprintf(w, "\n  longest %s (median %d lines)\n", noun, all[len(all)/2].lines)
	for _, entry := range all[:min(longest, len(all))] {
		_, printed := fmt.Fprintf(w, "  %5d  %s\n", entry.lines, entry.where)
		err = errors.Join(err, printed)
	}
	return err
}
