package fuzz

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/trial"
)

var (
	eachFlag     = flag.Duration("fuzz.each", 0, "processor time for each target; 0: none is run")
	targetsFlag  = flag.String("fuzz.targets", "", "a regular expression for the names of those that are run")
	parallelFlag = flag.Int("fuzz.parallel", 2, "processes of a target at once")
	runsFlag     = flag.String("fuzz.runs", "", "a file that each target's result is added to")
	commitFlag   = flag.String("fuzz.commit", "", "the commit to write there")
)

// root is the module's directory.
const root = "../.."

// A target runs in slices of so much processor time, as far as that is known from those before: a slice is a number of inputs, since
// Go before 1.27 now and then takes the end of a time for a failure (golang/go#75804).
const (
	slice       = time.Minute
	inputsFirst = 2_000
)

// target is a fuzz target.
type target struct{ name, dir string }

// outcome is what came of a target, and a line of docs/runs.jsonl.
type outcome struct {
	Kind    string `json:"kind"` // "fuzz"
	Commit  string `json:"commit"`
	Began   string `json:"began"`
	Target  string `json:"target"`
	Package string `json:"package"`
	// Inputs were given to the target; Interesting are those that reached something new.
	Inputs      int     `json:"inputs"`
	Interesting int     `json:"interesting"`
	CPUS        float64 `json:"cpu_s"`
	ElapsedS    float64 `json:"elapsed_s"`
	Failed      int     `json:"failed"`
}

// targets finds what is to be fuzzed: functions FuzzX(*testing.F) of test files.
func targets() (list []target, err error) {
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() != ".." && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && strings.HasPrefix(function.Name.Name, "Fuzz") {
				list = append(list, target{name: function.Name.Name, dir: filepath.Dir(path)})
			}
		}
		return nil
	})
	return list, err
}

// TestEveryDecoderIsFuzzed: what reads bytes from outside has a target.
func TestEveryDecoderIsFuzzed(t *testing.T) {
	list, err := targets()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, target := range list {
		dir, err := filepath.Rel(root, target.dir)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.ToSlash(dir)+"."+target.name] = true
	}
	for what, name := range map[string]string{
		"wire block": "proto/block.FuzzVerify", "log record": "raftlog/wal.FuzzRecover", "snapshot": "partition.FuzzSnapshot", "command": "partition.FuzzEntry",
		"receipt": "broker.FuzzReceipt", "config": "cmd/freshet.FuzzConfig", "pattern": "matcher.FuzzParse", "catalog": "broker/internal/catalog.FuzzCommand",
	} {
		if !found[name] {
			t.Errorf("%s: there is no %s; there are %v", what, name, found)
		}
	}
}

// TestFuzz runs the targets. It is part of no other run: see the flag -fuzz.each.
func TestFuzz(t *testing.T) {
	if *eachFlag == 0 {
		return
	}
	list, err := targets()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := regexp.Compile(*targetsFlag)
	if err != nil {
		t.Fatalf("-fuzz.targets: %v", err)
	}
	ran := 0
	for _, target := range list {
		if !chosen.MatchString(target.name) {
			continue
		}
		ran++
		t.Run(target.name, func(t *testing.T) {
			result := target.run(t)
			t.Logf("%d inputs, %d interesting, %.0f s of a processor in %.0f s", result.Inputs, result.Interesting, result.CPUS, result.ElapsedS)
			if *runsFlag == "" {
				return
			}
			if err := trial.Append(*runsFlag, result); err != nil {
				t.Fatal(err)
			}
		})
	}
	if ran == 0 {
		t.Fatalf("-fuzz.targets: no target is called %q", *targetsFlag)
	}
}

// run builds a target as go test does, and runs it in slices until its time is used, or an input fails.
func (g target) run(t *testing.T) *outcome {
	t.Helper()
	began := time.Now()
	o := &outcome{Kind: "fuzz", Commit: *commitFlag, Began: began.UTC().Format(time.RFC3339), Target: g.name, Package: strings.TrimPrefix(filepath.ToSlash(g.dir), root+"/")}
	program := filepath.Join(t.TempDir(), "fuzz.test")
	if out, err := command(t, g.dir, "go", "test", "-vet=off", "-c", "-fuzz", "^"+g.name+"$", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("it doesn't build: %v\n%s", err, out)
	}
	corpus := fuzzCache(t, g.dir)
	var used time.Duration
	count := inputsFirst
	for used < *eachFlag {
		run := command(t, g.dir, program, "-test.run", "^$", "-test.fuzz", "^"+g.name+"$", "-test.fuzzcachedir", corpus,
			"-test.fuzztime", strconv.Itoa(count)+"x", "-test.fuzzminimizetime", "5x", "-test.parallel", strconv.Itoa(*parallelFlag), "-test.timeout", "0")
		out, err := run.CombinedOutput()
		if run.ProcessState == nil {
			t.Fatal(err)
		}
		inputs, interesting := told(string(out))
		o.Inputs += inputs
		o.Interesting += interesting
		used += run.ProcessState.UserTime() + run.ProcessState.SystemTime() // and those of the processes that it waited for
		if err != nil {
			o.Failed++
			t.Errorf("%v\n%s", err, out[max(0, len(out)-8000):])
			break
		}
		count = next(count, inputs, float64(o.Inputs)/used.Seconds()*min(*eachFlag-used, slice).Seconds())
	}
	if o.Inputs == 0 {
		o.Failed++
		t.Error("no input was tried in all that time")
	}
	o.CPUS, o.ElapsedS = used.Round(time.Second).Seconds(), time.Since(began).Round(time.Second).Seconds()
	return o
}

// next is how many inputs the next slice has, of one that tried some and of how many the time left is good for. The inputs that a target begins with
// count, too: where there are more of those than a slice has, it tries nothing else, and says so.
func next(count, tried int, fitting float64) int {
	if tried == 0 {
		return 4 * count
	}
	return max(1_000, int(fitting))
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		count, tried int
		fitting      float64
		want         int
	}{{2_000, 0, 0, 8_000}, {8_000, 9_000, 123_456.7, 123_456}, {8_000, 9_000, 3, 1_000}} {
		if got := next(c.count, c.tried, c.fitting); got != c.want {
			t.Errorf("behind %d inputs, of which %d were tried, %d follow in place of %d", c.count, c.tried, got, c.want)
		}
	}
}

// fuzzCache is where go test keeps what targets of a package found.
func fuzzCache(t *testing.T, dir string) string {
	t.Helper()
	out, err := command(t, dir, "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	name, err := command(t, dir, "go", "list", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "fuzz", filepath.FromSlash(strings.TrimSpace(string(name))))
}

// progress is what the fuzzing engine says every few seconds.
var progress = regexp.MustCompile(`execs: (\d+) \(\d+/sec\), new interesting: (\d+)`)

// told returns the last word on how many inputs were tried, and how many of them were new.
func told(out string) (inputs, interesting int) {
	lines := progress.FindAllStringSubmatch(out, -1)
	if len(lines) == 0 {
		return 0, 0
	}
	last := lines[len(lines)-1]
	inputs, err := strconv.Atoi(last[1])
	more, errMore := strconv.Atoi(last[2])
	if errors.Join(err, errMore) != nil { // digits that are no number: more than an int holds
		return 0, 0
	}
	return inputs, more
}

func TestTold(t *testing.T) {
	inputs, interesting := told("fuzz: elapsed: 0s, gathering baseline coverage: 0/9 completed\nfuzz: elapsed: 3s, execs: 70 (23/sec), new interesting: 1 (total: 10)\n" +
		"fuzz: elapsed: 6s, execs: 1234 (388/sec), new interesting: 5 (total: 14)\nPASS\n")
	if got := fmt.Sprint(inputs, interesting); got != "1234 5" {
		t.Errorf("%s, not 1234 5", got)
	}
}

// command is one that ends with the test.
func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // it ends its workers then
	c.WaitDelay = 10 * time.Second
	return c
}
