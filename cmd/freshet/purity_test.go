package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// leaderFiles are the half of package partition that stands around the
// machine: it waits, reads clocks and talks to others. Every other file of the
// package is the machine's, and a new file is until it is listed here.
var leaderFiles = []string{
	"attachment.go", "attachment_send.go", "attachments.go", "carrier.go", "copier.go", "copies.go", "command.go", "company.go", "dead.go", "dedup_look.go", "filler.go", "gather.go", "labels.go", "leader.go", "leg.go", "look.go", "observe.go", "opened.go", "options.go", "partition.go", "payload.go",
	"places.go", "proposer.go", "read.go", "replica.go", "retain.go", "route.go", "stamp.go", "stretch.go", "topology.go", "waiters.go",
}

// impureImports are what a function of its inputs has no use for.
var impureImports = []string{"context", "crypto/rand", "math/rand", "math/rand/v2", "net", "os", "runtime", "sync", "sync/atomic", "syscall"}

// pureTime is what the machine may take from package time: units and their
// arithmetic, never a reading.
var pureTime = []string{"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}

// TestMachineIsPure keeps P9's first condition: whatever applies an entry
// depends on nothing but the entry and the state.
func TestMachineIsPure(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(treeRoot, "partition", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, listed := range leaderFiles {
		if !slices.ContainsFunc(names, func(name string) bool { return filepath.Base(name) == listed }) {
			t.Errorf("leaderFiles lists %s, which partition does not have", listed)
		}
	}
	checked := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(leaderFiles, filepath.Base(name)) {
			continue
		}
		checked++
		impure, err := impurities(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, sentence := range impure {
			t.Error(sentence)
		}
	}
	if checked == 0 {
		t.Fatal("found no file of the machine")
	}
}

func TestPurityBites(t *testing.T) {
	for _, c := range []struct{ source, finds string }{
		{`import "sync"; var mu sync.Mutex`, `imports "sync"`},
		{`import "math/rand/v2"; var n = rand.Int()`, `imports "math/rand/v2"`},
		{`import "time"; var start = time.Now()`, "time.Now"},
		{`import clock "time"; var start = clock.Now()`, "time.Now"},
		{`import "time"; const tick = 100 * time.Millisecond`, ""},
		{`func f() { go f() }`, "starts a goroutine"},
		{`func f(c chan int) { select { case <-c: } }`, "waits on a channel"},
		{`func f(c chan int) { c <- 1 }`, "waits on a channel"},
		{`func f(c chan int) int { return <-c }`, "waits on a channel"},
		{`func f(x int) int { return -x }`, ""},
	} {
		found, err := impurities("machine.go", "package partition\n"+c.source)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(found, "\n")
		if (c.finds == "") != (got == "") || !strings.Contains(got, c.finds) {
			t.Errorf("%s\ngot %q, want %q", c.source, got, c.finds)
		}
	}
}

// impurities returns a sentence for each thing in a file that depends on more
// than its inputs. source is as for parser.ParseFile.
func impurities(name string, source any) ([]string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	report := func(at ast.Node, what string) {
		found = append(found, fmt.Sprintf("partition/%s:%d %s: the machine is a function of its entries; if this is the leader's half, add the file to leaderFiles",
			filepath.Base(name), set.Position(at.Pos()).Line, what))
	}
	clock := "" // what this file calls package time
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if slices.Contains(impureImports, imported) {
			report(spec, fmt.Sprintf("imports %q", imported))
		}
		if imported == "time" {
			clock = path.Base(imported)
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			report(node, "starts a goroutine")
		case *ast.SelectStmt, *ast.SendStmt:
			report(node, "waits on a channel")
		case *ast.UnaryExpr:
			if node.Op == token.ARROW {
				report(node, "waits on a channel")
			}
		case *ast.SelectorExpr:
			from, ok := node.X.(*ast.Ident)
			if ok && clock != "" && from.Name == clock && !slices.Contains(pureTime, node.Sel.Name) {
				report(node, "uses time."+node.Sel.Name)
			}
		}
		return true
	})
	return found, nil
}
