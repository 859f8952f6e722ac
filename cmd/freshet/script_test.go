package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/broker"
)

// TestScripts runs the sessions in testdata. A script is a person at a terminal:
//
//	file NAME           writes a file into the session's own directory
//	env NAME=VALUE      sets a variable for the commands that follow
//	node                starts a node that the commands talk to
//	cluster             starts three nodes, each a process, that the commands talk to
//	kill NODE           ends one of them with SIGKILL
//	terminal            standard output is one from here on
//	run                 runs the lines below, each a command of a shell that
//	                    knows quotes, `< FILE` and nothing else; `run sorted` sorts
//	                    the lines of what each writes
//
// What comes back stands below the dashes: standard output, then standard error
// with a bar before it, then how it ended unless that was well.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.HasSuffix(path, ".txt") {
			runScript(t, path)
		}
	})
}

// session is one script under way.
type session struct {
	dir      string
	env      map[string]string
	terminal bool
	replaced []*strings.Replacer
	nodes    []*broker.Node
	cluster  *cluster.Cluster
}

func runScript(t *testing.T, path string) {
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{dir: t.TempDir(), env: map[string]string{}}
	t.Chdir(s.dir)
	t.Cleanup(func() { s.stopNodes(t) })
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "file":
			name := d.CmdArgs[0].Key
			if err := os.WriteFile(name, []byte(d.Input+"\n"), 0o600); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return ""
		case "env":
			for _, variable := range d.CmdArgs {
				s.env[variable.Key] = strings.Join(variable.Vals, ",")
			}
			return ""
		case "terminal":
			s.terminal = true
			return ""
		case "node":
			return s.startNode(t)
		case "cluster":
			return s.startCluster(t)
		case "kill":
			if err := s.cluster.Node(d.CmdArgs[0].Key).Kill(); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return ""
		case "empty":
			if err := s.cluster.Node(d.CmdArgs[0].Key).Empty(t.Context()); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return s.awaitStatus(t, func(status string) bool { return strings.Contains(status, "WAITS") })
		case "whole":
			return s.awaitStatus(t, func(status string) bool {
				return !strings.Contains(status, "WAITS") && !strings.Contains(status, "JOINS") && !strings.Contains(status, " NO ") && !strings.Contains(status, "NONE")
			})
		case "run":
			return s.run(t, d)
		}
		d.Fatalf(t, "no such directive: %s", d.Cmd)
		return ""
	})
}

// run runs a directive's lines one after the other.
func (s *session) run(t *testing.T, d *datadriven.TestData) string {
	var transcript strings.Builder
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		args, stdin, err := shellWords(line)
		if err != nil || args[0] != "freshet" {
			d.Fatalf(t, "%q isn't a line of a script: %v", line, err)
		}
		if strings.Count(strings.TrimSpace(d.Input), "\n") > 0 {
			transcript.WriteString("$ " + line + "\n")
		}
		written := s.runOne(t, args[1:], stdin)
		if d.HasArg("sorted") {
			lines := slices.Sorted(strings.Lines(written))
			written = strings.Join(lines, "")
		}
		transcript.WriteString(written)
	}
	return transcript.String()
}

func (s *session) runOne(t *testing.T, args []string, stdin string) string {
	var in bytes.Buffer
	if stdin != "" {
		text, err := os.ReadFile(stdin)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(text)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, surroundings{
		stdin:    &in,
		stdout:   &stdout,
		stderr:   &stderr,
		terminal: s.terminal,
		width:    func() int { return 80 },
		lookup: func(name string) (string, bool) {
			value, ok := s.env[name]
			return value, ok
		},
	})
	var b strings.Builder
	b.WriteString(s.steady(stdout.String()))
	for line := range strings.Lines(s.steady(stderr.String())) {
		b.WriteString("| " + line)
	}
	if code != exitOK {
		fmt.Fprintf(&b, "exit %d (%s)\n", int(code), code)
	}
	return b.String()
}

// Things that differ from run to run.
var unsteady = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "CLOCK"},
	{regexp.MustCompile(`[\d.]+ [KMGT]iB free`), "SIZE free"},
	{regexp.MustCompile(`missing: [\d.]+ [KMGT]iB`), "missing: SIZE"},
	{regexp.MustCompile(`go1\.\d+(\.\d+)?`), "GOVERSION"},
	{regexp.MustCompile(regexp.QuoteMeta(runtime.GOOS + "/" + runtime.GOARCH)), "PLATFORM"},
}

// steady replaces what differs from run to run by what it is.
func (s *session) steady(text string) string {
	text = strings.ReplaceAll(text, s.dir, "DIR")
	for _, replacer := range s.replaced {
		text = replacer.Replace(text)
	}
	for _, u := range unsteady {
		text = u.pattern.ReplaceAllString(text, u.stands)
	}
	return text
}

// shellWords splits a line as a shell does: 'literal', "with \" escapes",
// backslash, and < FILE for standard input.
func shellWords(line string) (words []string, stdin string, err error) {
	var word strings.Builder
	inWord, quote := false, rune(0)
	flush := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quote == 0 && (r == ' ' || r == '\t'):
			flush()
			continue
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case r == '\\' && quote != '\'' && i+1 < len(runes):
			i++
			word.WriteRune(runes[i])
		default:
			word.WriteRune(r)
		}
		inWord = true
	}
	flush()
	if quote != 0 {
		return nil, "", fmt.Errorf("%q isn't closed", quote)
	}
	if n := len(words); n > 2 && words[n-2] == "<" {
		return words[:n-2], words[n-1], nil
	}
	if len(words) == 0 {
		return nil, "", context.Canceled
	}
	return words, "", nil
}
