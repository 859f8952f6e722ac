package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

var (
	runFlag     = flag.Bool("mutants", false, "run every mutant's catcher, and see it fail")
	withinFlag  = flag.Duration("mutants.within", 5*time.Minute, "how long a catcher may take; one that takes longer has caught nothing")
	runListFlag = flag.Bool("mutants.sane", true, "see first that every catcher passes without a fault")
)

// root is the module's directory.
const root = "../.."

// catchers are who may catch a mutant: what is given to go test.
var catchers = map[string][]string{
	"model":    {"./partition", "-run", "^TestModel$", "-partition.commands", "60000"},
	"power":    {"./broker", "-run", "^TestPowerCut$", "-power.cuts", "24"},
	"crash":    {"./raftlog/wal", "-run", "^TestCrash$|^TestRot$|^TestTornTwice$"},
	"restarts": {"./raftlog", "-run", "^TestRestartsUnderLoad$|^TestKilledLeader$|^TestDivergedFollower$|^TestInstall$|^TestTornVote$|^TestVoteIsKept$|^TestWedgedTransfer$"},
	"disk":     {"./partition", "-run", "^TestDeadLetterWithoutCopy$|^TestDeadLetterOutOfTheLog$"},
	"faults":   {"./raftlog", "-run", "^TestSyncError$|^TestDiskFull$|^TestHangingSync$|^TestHeartbeatWaits$|Ahead$"},
	"cluster":  {"./broker", "-run", "^TestThreeNodes$|^TestReplace$|^TestFounding$|^TestClusterScripts$|^TestAnyNode$|^TestStreamsPassOn$|^TestCreatedEverywhere$|^TestReplacedAndAway$"},
	"stories":  {"./broker", "-run", "^TestScripts$"},
	"clients":  {"./client", "-run", "UnderFaults$"},
	"sim":      {"./bench/sim", "-run", "^TestSim$", "-sim.steps", "24", "-sim.each", "8"},
	"names":    {"./bench/sim", "-failfast", "-run", "^TestSim$", "-sim.steps", "80", "-sim.each", "8"}, // an answer has to be lost at the right moment: five seeds of twelve
	"lives":    {"./broker", "-run", "OutliveLeaders$|^TestClientThroughRestarts$"},
}

// mutant is a fault, and who has to notice. What is before at one place is after at the same.
type mutant struct {
	name, file, by string
	before, after  []string
}

// between stands alone on a line between the places of a mutant that has several.
const between = "\n....\n"

// readMutants reads the list. Of each directive the input is what stands in the file, and what it expects is what is put there.
func readMutants(t *testing.T) (list []mutant) {
	t.Helper()
	datadriven.RunTest(t, "testdata/mutants.txt", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		if d.Cmd != "mutant" || len(d.CmdArgs) != 3 {
			d.Fatalf(t, "want: mutant NAME file=FILE by=CATCHER")
		}
		m := mutant{name: d.CmdArgs[0].Key, before: strings.Split(d.Input, between), after: strings.Split(strings.TrimSuffix(d.Expected, "\n"), between)}
		d.ScanArgs(t, "file", &m.file)
		d.ScanArgs(t, "by", &m.by)
		if len(m.before) != len(m.after) {
			d.Fatalf(t, "%s: %d places, and what is put at %d", m.name, len(m.before), len(m.after))
		}
		if catchers[m.by] == nil {
			d.Fatalf(t, "%s: nobody is called %q", m.name, m.by)
		}
		list = append(list, m)
		return d.Expected
	})
	return list
}

// broken returns the mutant's file with the fault in it.
func (m *mutant) broken() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	for i, before := range m.before {
		if n := bytes.Count(text, []byte(before)); n != 1 {
			return nil, fmt.Errorf("%s has %q %d times; it has to stand there once", m.file, before, n)
		}
		text = bytes.Replace(text, []byte(before), []byte(m.after[i]), 1)
	}
	return text, nil
}

// TestListIsCurrent: what the faults replace is there.
func TestListIsCurrent(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range readMutants(t) {
		if _, err := m.broken(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if seen[m.name] || slices.Equal(m.before, m.after) {
			t.Errorf("%s is there twice, or changes nothing", m.name)
		}
		seen[m.name] = true
	}
	if len(seen) < 20 {
		t.Errorf("there are %d mutants, at least 20", len(seen))
	}
}

// TestMutants runs the catchers. It is part of no other run: see the flag -mutants.
func TestMutants(t *testing.T) {
	if !*runFlag {
		return
	}
	list := readMutants(t)
	if *runListFlag {
		for name := range catchers {
			t.Run("sane/"+name, func(t *testing.T) {
				if caught, words, took := attempt(t, name, ""); caught {
					t.Fatalf("%s fails without any fault, after %v:\n%s", name, took, words)
				}
			})
		}
	}
	var table strings.Builder
	for _, m := range list {
		t.Run(m.name, func(t *testing.T) {
			caught, words, took := attempt(t, m.by, m.overlay(t))
			verdict := "caught"
			if !caught {
				verdict = "NOT CAUGHT"
				t.Errorf("nobody noticed: %s", strings.Join(m.after, between))
			}
			fmt.Fprintf(&table, "%-26s %-24s %-9s %-10s %5.1f s  %s\n", m.name, m.file, m.by, verdict, took.Seconds(), words)
		})
	}
	t.Logf("\n%s", table.String())
}

// overlay writes what go test takes in place of the mutant's file.
func (m *mutant) overlay(t *testing.T) string {
	t.Helper()
	text, err := m.broken()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	there, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	instead := filepath.Join(dir, filepath.Base(m.file))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {there: instead}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	for file, content := range map[string][]byte{instead: text, name: list} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// failures is what a line of a failing test looks like.
var failures = regexp.MustCompile(`^\s*\S+_test\.go:\d+: (.*)|^panic: (.*)`)

// attempt runs a catcher, and says whether it failed, and its first words. A mutant that doesn't compile is no mutant.
func attempt(t *testing.T, by, overlay string) (caught bool, words string, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *withinFlag)
	defer cancel()
	args := []string{"test", "-vet=off", "-count=1", "-timeout", withinFlag.String()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	command := exec.CommandContext(ctx, "go", append(args, catchers[by]...)...)
	command.Dir = root
	command.WaitDelay = time.Second
	began := time.Now()
	out, err := command.CombinedOutput()
	took = time.Since(began)
	switch {
	case err == nil:
		return false, "", took
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		t.Fatalf("it doesn't build:\n%s", out)
	case ctx.Err() != nil, strings.Contains(string(out), "panic: test timed out"):
		t.Fatalf("%s took longer than %v", by, *withinFlag)
	}
	for line := range strings.Lines(string(out)) {
		if found := failures.FindStringSubmatch(strings.TrimRight(line, "\n")); found != nil && !strings.Contains(line, "level=") && !strings.Contains(line, "broken off") {
			words = found[1] + found[2]
			break
		}
	}
	return true, words[:min(len(words), 100)], took
}
