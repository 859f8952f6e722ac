package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runCorpusFile runs pattern test --corpus and returns how many cases passed.
func runCorpusFile(t *testing.T, path string) int {
	t.Helper()
	out, code := ask(t, "pattern", "test", "--corpus", path)
	if code != exitOK {
		t.Errorf("%s: exit %v\n%s", path, code, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[len(lines)-1]
	if !regexp.MustCompile(`^\d+ passed, 0 failed$`).MatchString(last) {
		t.Fatalf("%s: the last line is %q", path, last)
	}
	var passed int
	if _, err := fmt.Sscanf(last, "%d passed", &passed); err != nil || passed == 0 {
		t.Errorf("%s: %q, %v", path, last, err)
	}
	return passed
}

// TestCorpusOfTheProject runs the whole command on the project's own cases.
func TestCorpusOfTheProject(t *testing.T) {
	if passed := runCorpusFile(t, filepath.Join("..", "..", "matcher", "testdata", "patterns.jsonl.gz")); passed != 3213 {
		t.Errorf("%d cases, there should be 3213", passed)
	}
}

// TestCorpusOfEventBridge is for a file from outside, in the other format
// (CONTRIBUTING.md, "Tests over files from outside").
func TestCorpusOfEventBridge(t *testing.T) {
	dir := os.Getenv("FRESHET_CORPUS")
	if dir == "" {
		t.Log("FRESHET_CORPUS isn't set: nothing to run")
		return
	}
	t.Logf("FRESHET_CORPUS: %d cases", runCorpusFile(t, filepath.Join(dir, "aws-validated.jsonl")))
}
