package partition

import (
	"flag"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

var (
	commandsFlag  = flag.Int("partition.commands", 15_000, "how many random commands TestModel gives the machine and the model")
	modelSeedFlag = flag.Uint64("partition.seed", 0, "run TestModel with this seed alone, as far as one story goes")
)

// commandsPerStory is how many commands a story has: long enough that cursors fall behind, ids leave their window and dead letters fill up.
const commandsPerStory = 1_500

// TestModel gives random commands to the machine, to a twin that breaks down and starts from its checkpoints, and to the model, and compares after
// every entry what they say and have. A failure prints its seed, and the shortest script that was found to show it: it can be put into
// testdata/scripts as it is. go test -run TestModel -partition.seed N replays a seed, -partition.commands=5000000 has more.
func TestModel(t *testing.T) {
	if *modelSeedFlag != 0 {
		rehearse(t, *modelSeedFlag, commandsPerStory)
		return
	}
	left := *commandsFlag
	if testing.Short() {
		left /= 4
	}
	for seed := uint64(1); left > 0 && !t.Failed(); seed++ {
		left -= rehearse(t, seed, min(left, commandsPerStory))
	}
}

// act is a directive of a script.
type act struct {
	cmd   string
	args  []string
	lines []string
}

func (a *act) String() string {
	text := strings.Join(append([]string{a.cmd}, a.args...), " ")
	for _, line := range a.lines {
		text += "\n" + line
	}
	return text
}

// rehearse plays one random story, and says how many commands it had.
func rehearse(t *testing.T, seed uint64, commands int) (n int) {
	t.Helper()
	g := newGenerator(t, seed)
	for n < commands {
		a := g.next()
		g.acts = append(g.acts, a)
		n += len(a.lines)
		err := play(g.s, &a)
		if err == nil {
			continue
		}
		acts, err := shrink(g.acts, err, func(acts []act) ([]act, error) { return replay(t, acts) })
		t.Errorf("seed %d, after %d commands: %v\n\n# The shortest script that shows it:\n\n%s", seed, n, err, tellActs(acts))
		return n
	}
	return n
}

// play has a story go on. A panic of the machine's or the model's is an error like any other.
func play(s *story, a *act) (err error) {
	s.hear(a.lines)
	defer func() {
		switch p := recover().(type) {
		case nil:
		case scriptError:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if a.cmd == "entry" {
		_, err = s.enter()
		s.labels = nil
		return err
	}
	if a.cmd == "skip" {
		s.index += Index(a.entries())
		return nil
	}
	d := datadriven.TestData{Cmd: a.cmd}
	for _, arg := range a.args {
		key, value, _ := strings.Cut(arg, "=")
		d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: key, Vals: []string{value}})
	}
	_, err = s.step(&d)
	return err
}

// hear reads an entry's lines. One that says nothing that can be read, since words of it were left out, makes a bad script.
func (s *story) hear(lines []string) {
	defer func() {
		if p := recover(); p != nil {
			panic(scriptError{fmt.Errorf("%v", p)}) //nolint:err113 // a test's own
		}
	}()
	for _, line := range lines {
		s.line(line)
	}
}

// scriptError is what a script can't say, as a panic.
type scriptError struct{ error }

// strictTB has a story that can't be read end with scriptError, so that whoever tries a script goes on with the next.
type strictTB struct{ testing.TB }

func (strictTB) Fatal(args ...any) { panic(scriptError{fmt.Errorf("%v", args)}) } //nolint:err113 // a test's own

func (strictTB) Fatalf(format string, args ...any) { panic(scriptError{fmt.Errorf(format, args...)}) }

func tellActs(acts []act) string {
	var b strings.Builder
	for i := range acts {
		fmt.Fprintf(&b, "%s\n----\n\n", acts[i].String())
	}
	return b.String()
}
