package partition

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the stories of testdata: each step is an entry's sections, and shows what the machine makes of them. Every step is also
// applied to a second machine that is restored from a snapshot of itself each time, and to the model (model_test.go): all must say the same (P9).
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := newStory(t)
		s.restoring = true
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			out, err := s.step(d)
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			return out
		})
	})
}

// story is a partition that a script drives by hand, its twin, and a model of it.
type story struct {
	t       testing.TB
	m, twin *Machine
	model   *model
	index   Index
	term    Term

	// pending sections of the next entry, how many of its lines there are, and what time passes before.
	pending []section
	labels  []string
	delta   Tick
	// drift is what the leader's wall clock is ahead of that, unless a majority has it so.
	drift    Wall
	disputed bool

	sequence map[string]uint64
	settles  map[string]uint64
	// versions are the streams' set versions once the pending sections are applied.
	versions map[StreamID]uint64
	// logged events of each stream, for who reads the log.
	logged map[StreamID][]loggedEvent
	// bounds that were made small, on both machines.
	bounds []func(*Machine)

	// restoring: the twin is restored before every entry, not only when the script says so.
	restoring bool
	// image is the twin's last checkpoint, and since the entries after it.
	image image
	since []appliedEntry
}

// appliedEntry is an entry, and what it did.
type appliedEntry struct {
	index   Index
	term    Term
	raw     []byte
	effects *Effects
}

func newStory(tb testing.TB) *story {
	tb.Helper()
	s := &story{
		t: tb, m: NewMachine(), twin: NewMachine(), model: newModel(), term: 1, image: image{},
		sequence: map[string]uint64{}, settles: map[string]uint64{}, versions: map[StreamID]uint64{}, logged: map[StreamID][]loggedEvent{},
	}
	// Each entry's effects have a hash, and the restored machine's must be the same.
	s.bound(func(m *Machine) { m.hashEvery = 1 })
	return s
}

// bound gives the machines another bound, also when they are restored.
func (s *story) bound(set func(*Machine)) {
	s.bounds = append(s.bounds, set)
	set(s.m)
	set(s.twin)
}

// step runs one directive. Its lines are sections of one entry; a directive without lines is a line itself.
func (s *story) step(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "entry":
		for line := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
			s.line(line)
		}
		fx, err := s.enter()
		if err != nil {
			return "", err
		}
		return s.tellEntry(fx), nil
	case "term":
		s.term++
		return fmt.Sprintf("term %d\n", s.term), nil
	case "skip": // the log has entries that aren't the partition's
		s.index += Index(s.num(d.CmdArgs[0].Key))
		return "ok\n", nil
	case "show":
		return s.show(), nil
	case "limits":
		for _, arg := range d.CmdArgs {
			s.limit(arg.Key, s.num(arg.Vals[0]))
		}
		return "ok\n", nil
	case "checkpoint", "crash", "again":
		return "ok\n", s.disturb(d.Cmd)
	}
	return "", fmt.Errorf("unknown directive %q", d.Cmd)
}

// limit makes one of the machines' bounds small.
func (s *story) limit(name string, n uint64) {
	set := map[string]func(*Machine){
		"near":          func(m *Machine) { m.nearEventsMax = n },
		"look-ahead":    func(m *Machine) { m.lookAheadMax = n },
		"delayed-bytes": func(m *Machine) { m.delayedBytesMax = n },
		"leased":        func(m *Machine) { m.leasedMax = n },
		"dead":          func(m *Machine) { m.deadMax = n },
		"aside":         func(m *Machine) { m.asideEventsMax = n },
		"trim":          func(m *Machine) { m.trimEvery = Index(n) }, // after how many entries it is looked at what is kept
		"trim-bytes":    func(m *Machine) { m.trimBytes = n },
		"ids":           func(m *Machine) { m.dedup.generationIDs = int(n) },
		"idsmax":        func(m *Machine) { m.dedup.idsMax = int(n) },
		"step":          func(m *Machine) { m.dismantleMax = int(n) },
		"patient":       func(m *Machine) { m.patientOffers = max(1, int(n)) },
		"pieces":        func(m *Machine) { m.shifts = shifts{uint8(n), uint8(n), uint8(n)} }, // of checkpoints: 1 << n offsets
	}[name]
	if set == nil {
		s.t.Fatalf("no limit %q", name)
	}
	s.bound(set)
}

// enter makes an entry of the pending sections, applies it to both machines and the model, and compares what they say.
func (s *story) enter() (*Effects, error) {
	secs := append([]section{clockSection{Delta: s.delta, Wall: max(0, s.m.wall+Wall(s.delta)+s.drift), Agreed: !s.disputed}}, s.pending...)
	s.pending, s.delta, s.drift, s.disputed = nil, 0, 0, false
	raw := appendEntryHeader(nil)
	for _, sec := range secs {
		raw = appendSection(raw, sec)
	}
	if s.restoring {
		restored, err := Restore(s.twin.Snapshot())
		if err != nil {
			return nil, fmt.Errorf("restoring: %w", err)
		}
		s.adopt(restored)
	}
	s.index++
	s.model.before(s.m)
	fx, err := s.m.Apply(s.index, s.term, raw)
	if err != nil {
		s.t.Fatal(err) // no leader proposes such an entry
	}
	s.since = append(s.since, appliedEntry{s.index, s.term, raw, fx})
	s.note(secs, fx)
	again, err := s.twin.Apply(s.index, s.term, raw)
	if err != nil {
		return nil, fmt.Errorf("the twin: %w", err)
	}
	if err := sameEffects(fx, again); err != nil {
		return nil, err
	}
	if err := checkInvariants(s.m); err != nil {
		return nil, err
	}
	want, err := s.model.apply(s.m, len(raw), secs, fx)
	if err != nil {
		return nil, err
	}
	return fx, s.model.compare(s.m, fx, want)
}

// adopt has a restored machine go on as the twin.
func (s *story) adopt(m *Machine) {
	s.setBounds(m)
	s.twin = m
}

func (s *story) setBounds(m *Machine) {
	for _, set := range s.bounds {
		set(m)
	}
}

// sameEffects asserts P9. The hashes are among them.
func sameEffects(was, is *Effects) error {
	if reflect.DeepEqual(was, is) {
		return nil
	}
	if a, b := fmt.Sprintf("%+v", *was), fmt.Sprintf("%+v", *is); a != b {
		return fmt.Errorf("P9: a machine that was restored differs\n  was  %s\n  is   %s", a, b)
	}
	return nil
}

// disturb does what happens to replicas: the twin takes a checkpoint; or it breaks down, starts from its last checkpoint and is given the entries since
// for the second time; or the last entry is applied to the machine for the second time, which refuses it.
func (s *story) disturb(how string) error {
	switch how {
	case "checkpoint":
		if err := s.image.take(s.twin, len(s.image) == 0); err != nil {
			return err
		}
		s.since = nil
		return nil
	case "again":
		before := s.m.contentHash()
		_, err := s.m.Apply(s.index, s.term, appendEntryHeader(nil))
		if !errors.Is(err, ErrCorrupt) || s.m.contentHash() != before {
			return fmt.Errorf("P9: an entry that comes for the second time is answered %w", err)
		}
		return nil
	}
	if len(s.image) == 0 || s.restoring {
		return nil
	}
	restored := NewMachine()
	s.setBounds(restored) // some are what records are cut by
	if _, err := restored.restore(s.image.walk()); err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	s.twin = restored
	for _, e := range s.since {
		fx, err := s.twin.Apply(e.index, e.term, e.raw)
		if err != nil {
			return fmt.Errorf("the restored machine, at entry %d: %w", e.index, err)
		}
		if err := sameEffects(e.effects, fx); err != nil {
			return fmt.Errorf("the restored machine, at entry %d: %w", e.index, err)
		}
	}
	if !bytes.Equal(s.m.Snapshot(), s.twin.Snapshot()) {
		return errors.New("P9: the snapshot of the restored machine differs")
	}
	return nil
}

// note remembers what was logged, and corrects what is only guessed while lines are read.
func (s *story) note(secs []section, fx *Effects) {
	for _, a := range fx.Appended {
		s.log(a.Stream, a.First, secs[a.Section].(blockSection))
	}
	for id, st := range s.m.streams {
		s.versions[id] = st.setVersion
	}
	for name := range s.settles {
		s.settles[name] = 0
		if known := s.m.sessions[sessionNamed(name)]; known != nil {
			s.settles[name] = known.settled
		}
	}
}

// tellEntry tells what came of an entry.
func (s *story) tellEntry(fx *Effects) string {
	var out strings.Builder
	fmt.Fprintf(&out, "entry %d at %v\n", s.index, s.m.clock)
	for i, label := range s.labels {
		fmt.Fprintf(&out, "  %s: %s\n", label, tellSection(label, fx.Results[i+1]))
	}
	s.labels = nil
	for _, g := range fx.Grants {
		fmt.Fprintf(&out, "  -> %s delivery %d, until %v: %s\n", sessionName(g.Session), g.Delivery,
			s.m.clock.deadlineAfter(g.Visibility), tellRuns(g.Runs))
		if g.Truncated > 0 {
			fmt.Fprintf(&out, "     truncated before %d\n", g.Truncated)
		}
	}
	for _, c := range fx.Ready {
		fmt.Fprintf(&out, "  waiting on %v: %d\n", c, s.m.find(c).ready.GetCardinality())
	}
	for _, b := range fx.Behind {
		fmt.Fprintf(&out, "  %v is behind, room for %d more\n", b.Cursor, b.Events)
	}
	for _, g := range fx.Gone.Sessions {
		fmt.Fprintf(&out, "  %s's session ends\n", sessionName(g.Session))
	}
	for _, u := range fx.Unused {
		fmt.Fprintf(&out, "  %v was unused: %d unsettled, %d unread\n", u.Cursor, u.Unsettled, u.Unread)
	}
	for _, c := range fx.Gone.Cursors {
		fmt.Fprintf(&out, "  %v is removed\n", c)
	}
	for _, t := range fx.Truncated {
		fmt.Fprintf(&out, "  %v is truncated at %d: %d dropped, %d unread\n", t.Cursor, t.At, t.Dropped, t.Unread)
	}
	return out.String()
}

// show tells what each cursor has.
func (s *story) show() string {
	var out strings.Builder
	for _, st := range s.m.streamOrder {
		fmt.Fprintf(&out, "stream %d, next offset %d", st.id, st.next)
		if st.leaving {
			fmt.Fprintf(&out, ", leaving")
		}
		if st.floor > 0 {
			fmt.Fprintf(&out, ", kept from %d on", st.floor)
		}
		if s.m.asideEventsMax != AsideEventsMax {
			sep := ", aside "
			st.eachAside(func(a *aside) {
				fmt.Fprintf(&out, "%s%d", sep, a.offset)
				sep = ","
			})
		}
		fmt.Fprintln(&out)
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				fmt.Fprintf(&out, "  %v %v: ready %v", sub.Kind, c.id(), c.ready)
				fmt.Fprintf(&out, " leased %d delayed %d", c.leased, c.delayed.Len())
				if !c.later.IsEmpty() {
					fmt.Fprintf(&out, " later %v", c.later)
				}
				if c.order != nil {
					fmt.Fprintf(&out, " blocked %d", c.blocked())
					if c.order.stalled {
						fmt.Fprintf(&out, " stalled")
					}
				}
				if c.leaving {
					fmt.Fprintf(&out, " leaving")
				}
				switch c.reach {
				case reachFar:
					fmt.Fprintf(&out, " far from %d on", c.frontier)
				case reachClosing:
					fmt.Fprintf(&out, " lacks %d-%d, ahead %v", c.frontier, c.resume-1, c.ahead)
				case reachNear:
				}
				c.dead.Ascend(func(d deadLetter) bool {
					fmt.Fprintf(&out, " dead %d (%v after %d %s)", d.offset, d.reason, d.attempts, d.detail)
					return true
				})
				fmt.Fprintln(&out)
			}
		}
	}
	if at, ok := s.m.NextDeadline(); ok {
		fmt.Fprintf(&out, "due %v\n", at)
	}
	return out.String()
}

func tellSection(label string, r Result) string {
	if fills := strings.HasPrefix(label, "fill ") || strings.HasPrefix(label, "read "); fills && r.Refused == Done {
		return fmt.Sprintf("%d events, frontier %d", r.Count, r.First)
	}
	return tell(r)
}

func tell(r Result) string {
	var parts []string
	part := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case r.Refused == RefusedFrontier:
		part("refused: %v, which is %d", r.Refused, r.First)
	case r.Refused != Done && r.Sequence != 0:
		part("refused: %v, expected %d", r.Refused, r.Sequence)
	case r.Refused != Done:
		part("refused: %v", r.Refused)
	case r.Count > 0:
		part("offsets %v", Run{r.First, r.Count})
	}
	if r.Duplicate {
		part("duplicate")
	}
	for _, repeat := range r.Repeats {
		part("event %d repeats %d", repeat.Event, repeat.First)
	}
	if r.Visibility > 0 {
		part("resumed %v, settled %d", r.Resumed, r.Settled)
	}
	if r.Truncated > 0 {
		part("truncated before %d", r.Truncated)
	}
	for _, l := range r.Held {
		part("holds %d:%v", l.Delivery, l.Runs)
	}
	for _, l := range r.Lost {
		by := ""
		if l.ByPosition {
			by = "@"
		}
		part("lost %d:%s%v", l.Delivery, by, l.Runs)
	}
	for _, i := range r.LostReceipts {
		part("lost receipt %d", i)
	}
	if r.Redriven > 0 {
		part("redriven %d", r.Redriven)
	}
	if r.More {
		part("more from %d on", r.Next)
	}
	if len(r.Taken.Runs) > 0 {
		part("took %s epoch %d", tellRuns(r.Taken.Runs), r.Taken.Epoch)
	}
	if len(parts) == 0 {
		return "ok"
	}
	return strings.Join(parts, ", ")
}

func tellRuns(runs []EventRun) string {
	var parts []string
	for _, r := range runs {
		parts = append(parts, fmt.Sprintf("%v (attempt %d)", r.Run, r.Attempt))
	}
	return strings.Join(parts, ", ")
}

func sessionNamed(name string) (id SessionID) {
	copy(id[:], name)
	return id
}

func sessionName(id SessionID) string { return strings.TrimRight(string(id[:]), "\x00") }
