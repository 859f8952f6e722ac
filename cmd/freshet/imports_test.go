package main_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Imports run one way:
//
//	matcher, proto, raftlog  <-  partition  <-  broker  <-  cmd
//	                  proto  <-  client
//	 matcher, proto, client  <-  bench  <-  cmd
//
// The tables below say so package by package. They live beside the program
// because the program alone may see everything.

const modulePath = "github.com/freshet-mq/freshet"

// treeRoot is the module's root, seen from this package's directory.
const treeRoot = "../.."

// insideRule says which of our own packages a subtree may import, besides
// itself. The rule of the longest subtree that holds a package decides; a
// package that no rule names may not exist.
type insideRule struct {
	subtree string
	sees    []string // subtrees
	inTests []string // subtrees that its _test.go files may import besides
	because string
}

var insideRules = []insideRule{
	{subtree: "matcher", because: "the pattern language is useful without a broker"},
	{subtree: "proto/block", because: "everyone reads blocks through it, so it depends on nobody"},
	{subtree: "proto/freshet", because: "the wire contract is made by protoc alone"},
	{subtree: "raftlog", because: "the log stores entries and does not know what they mean"},
	{subtree: "partition", sees: []string{"matcher", "proto", "raftlog"}, because: "the state machine does not know who calls it"},
	{subtree: "broker", sees: []string{"matcher", "proto", "raftlog", "partition"}, inTests: []string{"client"}, because: "a node serves clients and does not contain one"},
	{subtree: "broker/brokertest", sees: []string{"broker", "client", "partition"}, because: "a test has both: the node, and a client of it"},
	{subtree: "client", sees: []string{"proto"}, inTests: []string{"broker"}, because: "services link it: nothing of the server comes along"},
	{subtree: "bench", sees: []string{"client", "matcher", "proto"}, because: "load comes from outside, as a user's does"},
	{subtree: "bench/history", because: "a checker that shares code with what it checks shares its mistakes"},
	{subtree: "bench/sim", sees: []string{"bench/clients", "bench/history", "bench/trial", "broker", "client", "raftlog/transport"}, because: "whole nodes are in its process, and so are their network and disks"},
	{subtree: "cmd", sees: []string{"bench", "broker", "client", "matcher", "partition", "proto", "raftlog"}, because: "the program puts the parts together"},
}

// outsideRule keeps a module, or a package of the standard library, to the
// subtrees that are allowed to know of it.
type outsideRule struct {
	imported string   // an import path, and everything below it
	besides  string   // but not this one below it
	onlyIn   []string // subtrees that may import it; nil means none
	notIn    []string // subtrees that may not, where onlyIn is nil
	tests    bool     // whether _test.go files are free to import it
	because  string
}

// pure packages compute, and do nothing else. (partition is pure in half:
// purity_test.go.)
var pure = []string{"matcher", "proto/block"}

var outsideRules = []outsideRule{
	{imported: "google.golang.org/grpc", onlyIn: []string{"proto/freshet", "broker", "client", "bench", "cmd"}, because: "matcher, log and state machine are below the wire"},
	{imported: "google.golang.org/protobuf", onlyIn: []string{"proto/freshet", "broker", "client", "bench", "cmd"}, because: "inside the log, sections have a format of their own"},
	{imported: "github.com/hashicorp", onlyIn: []string{"raftlog"}, because: "consensus stays replaceable behind raftlog"},
	{imported: "github.com/cockroachdb/pebble", besides: "github.com/cockroachdb/pebble/v2/vfs", onlyIn: []string{"raftlog", "partition/store", "broker/internal"}, because: "storage stays behind its stores"},
	{imported: "github.com/cockroachdb/pebble/v2/vfs", onlyIn: []string{"raftlog", "partition/store", "broker", "bench/sim"}, because: "a node hands its file system on, and nobody else has one"},
	{imported: "github.com/cockroachdb/datadriven", tests: true, because: "scripts are for tests"},
	{imported: "github.com/alecthomas/kong", onlyIn: []string{"cmd"}, because: "a command line belongs to a command"},
	{imported: "golang.org/x/term", onlyIn: []string{"cmd"}, because: "only the program has a terminal"},
	{imported: "net", besides: "net/netip", notIn: append([]string{"partition"}, pure...), tests: true, because: "no socket: what it needs to know arrives as input"},
	{imported: "os", notIn: pure, tests: true, because: "no disk, no environment: what it needs to know arrives as input"},
	{imported: "math/rand", notIn: pure, tests: true, because: "no randomness: the same input gives the same output everywhere"},
	{imported: "crypto/rand", notIn: pure, tests: true, because: "no randomness: the same input gives the same output everywhere"},
}

// edge is one import statement of the tree.
type edge struct {
	from     string // the importing package, as a path below the module's root
	imported string // as it stands in the file
	where    string // file:line
	test     bool   // in a _test.go file
}

func TestImportsRunOneWay(t *testing.T) {
	edges, err := importsOf(treeRoot)
	if err != nil {
		t.Fatal(err)
	}
	if len(edges) == 0 {
		t.Fatal("found no import in the whole tree")
	}
	for _, edge := range edges {
		for _, broken := range brokenBy(edge) {
			t.Error(broken)
		}
	}
}

// TestImportRulesBite breaks each rule once, and keeps some, so that a table
// which allows everything does not pass for a tree in order.
func TestImportRulesBite(t *testing.T) {
	ours := func(dir string) string { return modulePath + "/" + dir }
	for _, c := range []struct {
		edge   edge
		breaks string // part of the message; empty where the edge is allowed
	}{
		{edge{from: "matcher", imported: ours("proto/block")}, `"matcher" may not import "proto/block"`},
		{edge{from: "matcher/matchertest", imported: ours("matcher")}, ""},
		{edge{from: "proto/block", imported: ours("proto/freshet/v1")}, `"proto/block" may not import`},
		{edge{from: "proto/freshet/v1", imported: ours("proto/block")}, `"proto/freshet/v1" may not import`},
		{edge{from: "raftlog/wal", imported: ours("partition")}, `"raftlog/wal" may not import "partition"`},
		{edge{from: "partition", imported: ours("broker")}, `"partition" may not import "broker"`},
		{edge{from: "partition", imported: ours("proto/block")}, ""},
		{edge{from: "broker/internal/catalog", imported: ours("partition")}, ""},
		{edge{from: "broker", imported: ours("client")}, `"broker" may not import "client"`},
		{edge{from: "broker", imported: ours("client"), test: true}, ""},
		{edge{from: "broker", imported: ours("cmd/freshet")}, `"broker" may not import "cmd/freshet"`},
		{edge{from: "client", imported: ours("matcher")}, `"client" may not import "matcher"`},
		{edge{from: "client", imported: ours("broker")}, `"client" may not import "broker"`},
		{edge{from: "bench", imported: ours("broker")}, `"bench" may not import "broker"`},
		{edge{from: "bench/history", imported: ours("client")}, `"bench/history" may not import "client"`},
		{edge{from: "cmd/freshet", imported: ours("broker")}, ""},
		{edge{from: "shared", imported: "fmt"}, `no rule for "shared"`},
		{edge{from: "matchers", imported: "fmt"}, `no rule for "matchers"`},

		{edge{from: "partition", imported: "google.golang.org/grpc/status"}, `"partition" may not import "google.golang.org/grpc/status"`},
		{edge{from: "raftlog", imported: "google.golang.org/grpc"}, `"raftlog" may not import "google.golang.org/grpc"`},
		{edge{from: "matcher", imported: "google.golang.org/grpc", test: true}, `"matcher" may not import "google.golang.org/grpc"`},
		{edge{from: "broker", imported: "github.com/hashicorp/raft"}, `"broker" may not import "github.com/hashicorp/raft"`},
		{edge{from: "raftlog", imported: "github.com/hashicorp/raft"}, ""},
		{edge{from: "partition", imported: "github.com/cockroachdb/pebble/v2"}, `"partition" may not import`},
		{edge{from: "matcher", imported: "github.com/cockroachdb/datadriven"}, `"matcher" may not import`},
		{edge{from: "matcher", imported: "github.com/cockroachdb/datadriven", test: true}, ""},
		{edge{from: "broker", imported: "github.com/alecthomas/kong"}, `"broker" may not import`},
		{edge{from: "partition", imported: "net/http"}, `"partition" may not import "net/http"`},
		{edge{from: "matcher", imported: "net/netip"}, ""},
		{edge{from: "matcher", imported: "net"}, `"matcher" may not import "net"`},
		{edge{from: "matcher", imported: "math/rand/v2"}, `"matcher" may not import "math/rand/v2"`},
		{edge{from: "matcher", imported: "math/rand/v2", test: true}, ""},
		{edge{from: "matcher", imported: "math/bits"}, ""},
		{edge{from: "broker", imported: "net"}, ""},
	} {
		t.Run(c.edge.from+" imports "+c.edge.imported, func(t *testing.T) {
			got := strings.Join(brokenBy(c.edge), "\n")
			if (c.breaks == "") != (got == "") || !strings.Contains(got, c.breaks) {
				t.Errorf("got %q, want a message with %q", got, c.breaks)
			}
		})
	}
}

// brokenBy returns a sentence for each rule that the import breaks.
func brokenBy(e edge) []string {
	var broken []string
	if inside, ok := strings.CutPrefix(e.imported, modulePath+"/"); ok {
		broken = append(broken, brokenInside(e, inside)...)
	} else if _, ok := ruleFor(e.from); !ok {
		broken = append(broken, fmt.Sprintf("%s: there is no rule for %q: add one to insideRules, or put the code where it belongs", e.where, e.from))
	}
	for _, rule := range outsideRules {
		switch {
		case !under(e.imported, rule.imported), e.imported == rule.besides, e.test && rule.tests:
		case rule.notIn != nil && !underAny(e.from, rule.notIn):
		case rule.notIn == nil && underAny(e.from, rule.onlyIn):
		default:
			broken = append(broken, fmt.Sprintf("%s: %q may not import %q: %s", e.where, e.from, e.imported, rule.because))
		}
	}
	return broken
}

func brokenInside(e edge, imported string) []string {
	rule, ok := ruleFor(e.from)
	switch {
	case !ok:
		return []string{fmt.Sprintf("%s: there is no rule for %q: add one to insideRules, or put the code where it belongs", e.where, e.from)}
	case under(imported, rule.subtree), underAny(imported, rule.sees), e.test && underAny(imported, rule.inTests):
		return nil
	}
	sees := "nothing of ours"
	if len(rule.sees) > 0 {
		sees = strings.Join(rule.sees, ", ")
	}
	return []string{fmt.Sprintf("%s: %q may not import %q, it sees %s: %s", e.where, e.from, imported, sees, rule.because)}
}

// ruleFor returns the rule of the longest subtree that holds the package.
func ruleFor(dir string) (insideRule, bool) {
	var found insideRule
	for _, rule := range insideRules {
		if under(dir, rule.subtree) && len(rule.subtree) > len(found.subtree) {
			found = rule
		}
	}
	return found, found.subtree != ""
}

// under reports whether the path is the subtree's root or lies below it.
func under(dir, subtree string) bool {
	return dir == subtree || strings.HasPrefix(dir, subtree+"/")
}

func underAny(dir string, subtrees []string) bool {
	return slices.ContainsFunc(subtrees, func(subtree string) bool { return under(dir, subtree) })
}

// importsOf reads the import statements of every Go file of the module,
// whatever build tags the file carries.
func importsOf(root string) ([]edge, error) {
	var edges []edge
	set := token.NewFileSet()
	err := walkModule(root, func(name string, entry fs.DirEntry) error {
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			edges = append(edges, edge{
				from:     path.Dir(name),
				imported: imported,
				where:    fmt.Sprintf("%s:%d", name, set.Position(spec.Pos()).Line),
				test:     strings.HasSuffix(name, "_test.go"),
			})
		}
		return nil
	})
	return edges, err
}

// walkModule visits what belongs to the module: not testdata, not directories
// beginning with a dot, not nested modules, not what `make build` leaves.
// Names are slash-separated, relative to the root.
func walkModule(root string, visit func(name string, entry fs.DirEntry) error) error {
	return fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if entry.IsDir() {
			_, statErr := os.Stat(filepath.Join(root, name, "go.mod"))
			if statErr == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || name == "bin" {
				return fs.SkipDir
			}
		}
		return visit(name, entry)
	})
}
