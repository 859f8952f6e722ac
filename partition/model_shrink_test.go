package partition

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// replaysMax is how many scripts are tried to find a shorter one.
const replaysMax = 3_000

// shrinking is a script that fails, which is made shorter for as long as it does, in the same way.
type shrinking struct {
	fails func([]act) (failing []act, err error)
	acts  []act
	err   error
	tries int
}

// shrink finds a short script among the parts of one that fails: it leaves out acts, then lines, then words, many at a time as long as that does (Zeller
// and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).
func shrink(acts []act, err error, fails func([]act) ([]act, error)) ([]act, error) {
	s := &shrinking{fails: fails, acts: acts, err: err}
	if !s.try(acts) {
		return acts, err // it needs more than the script to fail
	}
	s.trimAlways()
	for before := -1; before != s.size() && s.tries < replaysMax; {
		before = s.size()
		acts := func() int { return len(s.acts) }
		s.leaveOut(acts, func(from, to int) []act { return slices.Delete(slices.Clone(s.acts), from, to) })
		s.leaveOut(acts, s.skip)
		for i := 0; i < len(s.acts); i++ { //nolint:intrange // they become fewer
			s.leaveOut(func() int { return len(s.lines(i)) }, func(from, to int) []act {
				return s.changed(i, slices.Delete(slices.Clone(s.acts[i].lines), from, to))
			})
		}
		s.fewerLimits()
		for i := 0; i+1 < len(s.acts); {
			if !s.join(i) {
				i++
			}
		}
		for i := 0; i < len(s.acts); i++ { //nolint:intrange // as above
			for j := 0; j < len(s.lines(i)); j++ { //nolint:intrange // as above
				s.simplify(i, j)
			}
		}
	}
	return s.acts, s.err
}

// size counts words.
func (s *shrinking) size() (n int) {
	for i := range s.acts {
		n += len(strings.Fields(s.acts[i].String()))
	}
	return n
}

// try plays a script, and keeps it if it fails.
func (s *shrinking) try(acts []act) bool {
	if s.tries++; s.tries > replaysMax {
		return false
	}
	failing, err := s.fails(acts)
	if !alike(err, s.err) {
		return false
	}
	s.acts, s.err = failing, err
	return true
}

// alike tells whether two failures are of one kind: what is left out mustn't bring about another.
func alike(a, b error) bool {
	kind := func(err error) string {
		text := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, err.Error())
		return text[:min(len(text), 60)]
	}
	return a != nil && b != nil && kind(a) == kind(b)
}

// replay plays a script from the beginning, and returns what of it fails. What isn't a script doesn't.
func replay(tb testing.TB, acts []act) (failing []act, err error) {
	tb.Helper()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case scriptError:
			failing, err = nil, nil
		default:
			panic(p)
		}
	}()
	s := newStory(strictTB{tb})
	for i := range acts {
		if err := play(s, &acts[i]); err != nil {
			return slices.Clone(acts[:i+1]), err
		}
	}
	return nil, nil
}

// leaveOut tries to do without parts of so many: halves first, then smaller ones.
func (s *shrinking) leaveOut(parts func() int, without func(from, to int) []act) {
	for size := max(parts()/2, 1); ; size /= 2 {
		for from := 0; from < parts() && s.tries < replaysMax; {
			if to := min(from+size, parts()); !s.try(without(from, to)) {
				from = to
			}
		}
		if size <= 1 {
			return
		}
	}
}

// skip is the script without some acts, whose entries' numbers nobody has.
func (s *shrinking) skip(from, to int) []act {
	n := 0
	for i := range s.acts[from:to] {
		n += s.acts[from+i].entries()
	}
	if n == 0 {
		return slices.Delete(slices.Clone(s.acts), from, to)
	}
	if from > 0 && s.acts[from-1].cmd == "skip" {
		from--
		n += s.acts[from].entries()
	}
	return slices.Replace(slices.Clone(s.acts), from, to, act{cmd: "skip", args: []string{fmt.Sprint(n)}})
}

// entries counts how many numbers of entries an act takes.
func (a *act) entries() int {
	switch a.cmd {
	case "entry":
		return 1
	case "skip":
		n, _ := strconv.Atoi(a.args[0]) // it was written by skip
		return n
	}
	return 0
}

// trimAlways tries to have the machine look after every entry at what is kept: the number of entries counts for less then.
func (s *shrinking) trimAlways() {
	acts := slices.Clone(s.acts)
	acts[0].args = append(slices.DeleteFunc(slices.Clone(acts[0].args), func(arg string) bool { return strings.HasPrefix(arg, "trim=") }), "trim=1")
	s.try(acts)
}

// fewerLimits tries to do without limits.
func (s *shrinking) fewerLimits() {
	for k := 0; len(s.acts) > 0 && k < len(s.acts[0].args); {
		acts := slices.Clone(s.acts)
		acts[0].args = slices.Delete(slices.Clone(acts[0].args), k, k+1)
		if !s.try(acts) {
			k++
		}
	}
}

// join tries to make one entry of two.
func (s *shrinking) join(i int) bool {
	a, b := s.acts[i], s.acts[i+1]
	if a.cmd != "entry" || b.cmd != "entry" {
		return false
	}
	var wait time.Duration
	lines := []string{""}
	for _, line := range slices.Concat(a.lines, b.lines) {
		if text, waits := strings.CutPrefix(line, "wait "); waits {
			d, err := time.ParseDuration(text)
			if err != nil {
				return false
			}
			wait += d
		} else {
			lines = append(lines, line)
		}
	}
	if lines[0] = fmt.Sprintf("wait %dms", wait.Milliseconds()); wait == 0 {
		lines = lines[1:]
	}
	acts := slices.Delete(slices.Clone(s.acts), i, i+1)
	acts[i].lines = lines
	return s.try(acts)
}

// lines of an act, if the script is still so long.
func (s *shrinking) lines(i int) []string {
	if i >= len(s.acts) {
		return nil
	}
	return s.acts[i].lines
}

// changed is the script with other lines in an act.
func (s *shrinking) changed(i int, lines []string) []act {
	acts := slices.Clone(s.acts)
	acts[i].lines = lines
	return acts
}

// simplify tries to do without a line's words, the last first.
func (s *shrinking) simplify(i, j int) {
	for k := len(strings.Fields(s.acts[i].lines[j])) - 1; k > 0; k-- {
		words := strings.Fields(s.acts[i].lines[j])
		lines := slices.Clone(s.acts[i].lines)
		lines[j] = strings.Join(slices.Delete(words, k, k+1), " ")
		if s.try(s.changed(i, lines)); j >= len(s.lines(i)) {
			return
		}
	}
}

// TestShrink: of a script that fails since two of its lines are in it, these are left.
func TestShrink(t *testing.T) {
	acts := []act{{cmd: "limits", args: []string{"near=3", "trim=4"}}}
	for i := range 100 {
		acts = append(acts, act{cmd: "entry", lines: []string{fmt.Sprintf("wait %dms", i), fmt.Sprintf("topic %d age=8s", i), fmt.Sprintf("topic %d", 1_000+i)}})
	}
	failure := errors.New("fails")
	short, err := shrink(acts, failure, func(acts []act) ([]act, error) {
		text := tellActs(acts)
		if strings.Contains(text, "topic 17 age=8s") && strings.Contains(text, "topic 1071") {
			return acts, failure
		}
		return nil, nil
	})
	if got, want := tellActs(short), "entry\ntopic 17 age=8s\ntopic 1071\n----\n\n"; got != want || !errors.Is(err, failure) {
		t.Errorf("%v, got\n%swant\n%s", err, got, want)
	}
}
