package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// topLevel is everything that may stand at the root, besides dot files and the
// bin that `make build` leaves. A new directory here is a new part of the
// design: it goes into DESIGN.md first.
var topLevel = []string{
	"bench", "broker", "client", "cmd", "deploy", "docs", "matcher", "partition", "proto", "raftlog",
	"CONTRIBUTING.md", "DESIGN.md", "LICENSE", "Makefile", "NOTICE", "README.md", "go.mod", "go.sum",
	"bin",
}

// sayNothing are names of packages and files that say how something is used,
// or when it was written, and not what it is.
var sayNothing = []string{"common", "helper", "helpers", "impl", "misc", "pkg", "types", "util", "utils"}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(treeRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if reason := misplaced(entry.Name()); reason != "" {
			t.Error(reason)
		}
	}
}

func TestNamesSaySomething(t *testing.T) {
	err := walkModule(treeRoot, func(name string, _ fs.DirEntry) error {
		if reason := misnamed(name); reason != "" {
			t.Error(reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryPackageHasADoc wants a doc.go wherever people wrote Go: it is where
// a reader starts.
func TestEveryPackageHasADoc(t *testing.T) {
	documented := map[string]bool{}
	err := walkModule(treeRoot, func(name string, _ fs.DirEntry) error {
		dir := path.Dir(name)
		if path.Base(name) == "doc.go" {
			documented[dir] = true
		} else if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			documented[dir] = documented[dir] || strings.HasSuffix(name, ".pb.go")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, has := range documented {
		if !has {
			t.Errorf("%s has no doc.go: say what the package owns, what not, and where to start reading", dir)
		}
	}
}

// TestLayoutRulesBite shows each rule a name that it must refuse.
func TestLayoutRulesBite(t *testing.T) {
	for _, name := range []string{"pkg", "internal", "main.go", "notes.txt"} {
		if misplaced(name) == "" {
			t.Errorf("%q is allowed at the top level", name)
		}
	}
	for _, name := range []string{".ci", ".golangci.yml", "matcher", "go.mod"} {
		if reason := misplaced(name); reason != "" {
			t.Error(reason)
		}
	}
	for _, name := range []string{"broker/util", "matcher/types.go", "client/conn_impl.go", "partition/lease_v2.go", "broker/util_test.go"} {
		if misnamed(name) == "" {
			t.Errorf("%q is allowed as a name", name)
		}
	}
	for _, name := range []string{"partition/lease.go", "proto/freshet/v1", "matcher/prototypes.go", "broker/publish_test.go"} {
		if reason := misnamed(name); reason != "" {
			t.Error(reason)
		}
	}
}

// misplaced says why a name may not stand at the root, or nothing.
func misplaced(name string) string {
	if strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) {
		return ""
	}
	return fmt.Sprintf("%q may not stand at the top level; what may: %s", name, strings.Join(topLevel, " "))
}

// misnamed says why a file or directory needs another name, or nothing.
func misnamed(name string) string {
	noun := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".go"), "_test")
	for _, empty := range sayNothing {
		if noun == empty || strings.HasSuffix(noun, "_"+empty) {
			return fmt.Sprintf("%s: %q says nothing about what is inside; name it for its noun", name, empty)
		}
	}
	if strings.HasSuffix(noun, "_v2") {
		return fmt.Sprintf("%s: no second copy beside the first", name)
	}
	return ""
}
