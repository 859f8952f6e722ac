package partition

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// walkEntry is an entry: its sections, the first of which is the clock's, and the term that it is of.
type walkEntry struct {
	index Index
	term  Term
	secs  []section
}

func (e *walkEntry) encode() []byte {
	raw := appendEntryHeader(nil)
	for _, s := range e.secs {
		raw = appendSection(raw, s)
	}
	return raw
}

// check applies an entry to the model that the machine has applied, and compares.
func (m *model) check(is *Machine, e walkEntry, bytes int, told *Effects) error {
	want, err := m.apply(is, e.index, e.term, bytes, e.secs, told)
	if err != nil {
		return err
	}
	return m.compare(is, told, want)
}

// replay applies entries to a machine and a model, and returns what is wrong, if anything is.
func replay(entries []walkEntry, bound func(*Machine)) (err error) {
	m := NewMachine()
	bound(m)
	obvious := newModel(m)
	defer func() {
		if p := recover(); p != nil { // an assertion of the model's
			err = fmt.Errorf("%v", p)
		}
	}()
	for _, e := range entries {
		raw := e.encode()
		obvious.before(m)
		fx, err := m.Apply(e.index, e.term, raw)
		if err != nil {
			return err
		}
		if err := obvious.check(m, e, len(raw), fx); err != nil {
			return fmt.Errorf("entry %d: %w", e.index, err)
		}
		if err := checkInvariants(m); err != nil {
			return fmt.Errorf("entry %d: %w", e.index, err)
		}
	}
	return nil
}

// alike tells whether two failures are of one kind: what is left out of the entries mustn't bring about another, as a leader's verdict on what is gone would.
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

// shrinkTries bounds how often shrinking replays.
const shrinkTries = 1_500

// shrink leaves out what isn't needed for entries to fail: whole entries first, in ever smaller parts (Zeller and Hildebrandt, "Simplifying and Isolating
// Failure-Inducing Input", 2002), then single sections.
func shrink(entries []walkEntry, fails func([]walkEntry) bool) []walkEntry {
	tries := 0
	try := func(shorter []walkEntry) bool {
		if tries == shrinkTries {
			return false
		}
		tries++
		return fails(shorter)
	}
	for part := len(entries) / 2; part > 0; part /= 2 {
		for at := 0; at < len(entries); {
			shorter := slices.Delete(slices.Clone(entries), at, min(at+part, len(entries)))
			if len(shorter) > 0 && try(shorter) {
				entries = shorter
			} else {
				at += part
			}
		}
	}
	for i := range entries {
		for at := len(entries[i].secs) - 1; at > 0; at-- {
			shorter := slices.Clone(entries)
			shorter[i].secs = slices.Delete(slices.Clone(entries[i].secs), at, at+1)
			if try(shorter) {
				entries = shorter
			}
		}
	}
	return entries
}

// TestShrink: of entries that fail since one that matters is among them, those that matter are left.
func TestShrink(t *testing.T) {
	var entries []walkEntry
	for i := range 100 {
		entries = append(entries, walkEntry{Index(i + 1), 1, []section{clockSection{}, streamSection{Stream: StreamID(i)}, streamSection{Stream: StreamID(1_000 + i)}}})
	}
	short := shrink(entries, func(list []walkEntry) bool {
		found := 0
		for _, e := range list {
			for _, s := range e.secs[1:] {
				if id := s.(streamSection).Stream; id == 17 || id == 1_071 {
					found++
				}
			}
		}
		return found == 2
	})
	if got, want := tellEntries(short), "entry\ntopic 17\n----\n\nentry\ntopic 1071\n----\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// tellEntries writes entries as a script has them (testdata/scripts). What a script can't say is a comment; entries that are left out leave gaps in the
// indexes, which it doesn't have either.
func tellEntries(entries []walkEntry) string {
	var b strings.Builder
	term := Term(1)
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		for ; term < e.term; term++ {
			b.WriteString("term\n----\n\n")
		}
		b.WriteString("entry\n")
		for _, s := range e.secs {
			if line := scriptLine(s); line != "" {
				b.WriteString(line + "\n")
			}
		}
		b.WriteString("----\n")
	}
	return b.String()
}

func scriptLine(s section) string {
	var b strings.Builder
	option := func(name string, value, otherwise any) {
		if value != otherwise {
			fmt.Fprintf(&b, " %s=%v", name, value)
		}
	}
	switch s := s.(type) {
	case clockSection:
		if s.Delta == 0 {
			return ""
		}
		return "wait " + s.Delta.duration().String()
	case streamSection:
		fmt.Fprintf(&b, "topic %d", s.Stream)
		if r := s.Retention; r != nil {
			fmt.Fprintf(&b, " age=%v bytes=%d", time.Duration(r.Age)*time.Millisecond, r.Bytes)
			option("drop", map[bool]string{true: "yes"}[r.Drop], "")
		}
	case subscriptionSection:
		tellSubscription(&b, s.SubscriptionConfig)
	case removeSection:
		fmt.Fprintf(&b, "remove %d", s.Stream)
		if s.Subscription != 0 {
			fmt.Fprintf(&b, " %v", CursorID{s.Subscription, s.Member})
		}
	case blockSection:
		tellBlock(&b, s)
	case fillSection:
		fmt.Fprintf(&b, "fill %v %d-%d", s.Cursor, s.From, s.To)
		for i, r := range s.Runs {
			fmt.Fprintf(&b, "%s%s", map[bool]string{true: " ", false: ","}[i == 0], tellRun(r.Run))
		}
	case attachSection:
		fmt.Fprintf(&b, "attach %s %v conn=%d credit=%d bytes=%d", sessionName(s.Session), s.Cursor, s.Connection, s.CreditEvents, s.CreditBytes)
		option("received", s.Received, uint64(0))
		option("visibility", s.VisibilityOwn.duration(), time.Duration(0))
	case detachSection:
		fmt.Fprintf(&b, "detach %s conn=%d", sessionName(s.Session), s.Connection)
		option("away", map[bool]string{true: "yes"}[s.Away], "")
	case creditSection:
		fmt.Fprintf(&b, "credit %s %d conn=%d bytes=%d", sessionName(s.Session), s.Events, s.Connection, s.Bytes)
	case closeSection:
		fmt.Fprintf(&b, "close %s%s received=%d", sessionName(s.Session), tellList(s.Unstarted), s.Received)
	case settleSection:
		for i, d := range s.Decisions { // a script has one each
			fmt.Fprintf(&b, "%s%v %s%s seq=%d received=%d%s", map[bool]string{true: "", false: "\n"}[i == 0], d.Verb, sessionName(s.Session), tellList(d.Leased), s.Sequence, s.Received, tellDecision(d))
		}
	case takeSection:
		fmt.Fprintf(&b, "take %v max=%d bytes=%d", s.Cursor, s.Events, s.Bytes)
		option("visibility", s.Visibility.duration(), time.Duration(0))
	case returnSection:
		fmt.Fprintf(&b, "return %v", s.Decision.Verb)
		for i, r := range s.Receipts {
			if i == 0 {
				fmt.Fprintf(&b, " %v", r.Cursor)
			}
			fmt.Fprintf(&b, " %d@%d", r.Offset, r.Epoch)
		}
		b.WriteString(tellDecision(s.Decision))
	case redriveSection:
		fmt.Fprintf(&b, "redrive %v", s.Cursor)
		for i, r := range s.Runs {
			fmt.Fprintf(&b, "%s%s", map[bool]string{true: " ", false: ","}[i == 0], tellRun(r))
		}
		fmt.Fprintf(&b, " max=%d from=%d", s.Max, s.From)
		if s.Reason != 0 {
			fmt.Fprintf(&b, " reason=%v", s.Reason)
		}
	default:
		return fmt.Sprintf("# %T %+v", s, s)
	}
	return b.String()
}

func tellSubscription(b *strings.Builder, c SubscriptionConfig) {
	kind := "queue"
	if c.Kind == KindFanout {
		kind = "fanout"
	}
	fmt.Fprintf(b, "subscribe %d %s %d", c.Stream, kind, c.ID)
	if c.Pattern != "" {
		b.WriteString(" pattern")
	}
	fmt.Fprintf(b, " visibility=%v attempts=%d", c.Visibility.duration(), c.AttemptsMax)
	if c.From == FromEarliest {
		b.WriteString(" from=earliest")
	}
	if c.Ordered {
		b.WriteString(" ordered=yes")
	}
	if c.MemberExpiry > 0 {
		fmt.Fprintf(b, " expiry=%v", time.Duration(c.MemberExpiry)*time.Millisecond)
	}
	if len(c.Members) > 0 {
		fmt.Fprintf(b, " members=%s", strings.Join(c.Members, ","))
	}
}

func tellBlock(b *strings.Builder, s blockSection) {
	opened, err := block.Open(s.Block)
	if err != nil {
		fmt.Fprintf(b, "# a block that is none: %v", err)
		return
	}
	fmt.Fprintf(b, "publish %d %d set=%d", s.Stream, opened.Len(), s.SetVersion)
	if p := opened.Producer(); p.ID != (block.ProducerID{}) {
		fmt.Fprintf(b, " producer=p%d epoch=%d seq=%d", p.ID[0], p.Epoch, p.Sequence)
	}
	var keys, due, ids []string
	var reader block.Reader
	for reader.Reset(&opened); reader.Next(); {
		v := reader.View()
		keys, ids = append(keys, orDash(string(v.Key()))), append(ids, orDash(string(v.DedupID())))
		at := "-"
		if ms := opened.DeliverAtMillis(reader.Index()); ms > 0 {
			at = (time.Duration(ms) * time.Millisecond).String()
		}
		due = append(due, at)
	}
	for _, each := range []struct {
		name string
		list []string
	}{{"keys", keys}, {"at", due}, {"ids", ids}} {
		if slices.ContainsFunc(each.list, func(text string) bool { return text != "-" }) {
			fmt.Fprintf(b, " %s=%s", each.name, strings.Join(each.list, ","))
		}
	}
	if err := eachMatched(s.Matches, opened.Len(), func(hit matched) {
		var positions []string
		for i := range opened.Len() {
			if has(hit, i) {
				positions = append(positions, fmt.Sprint(i))
			}
		}
		fmt.Fprintf(b, " %d=%s", hit.Subscription, strings.Join(positions, ","))
	}); err != nil {
		fmt.Fprintf(b, " # %v", err)
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func tellRun(r Run) string {
	if r.Count == 1 {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.end()-1)
}

func tellList(list []Leased) string {
	var b strings.Builder
	for _, l := range list {
		fmt.Fprintf(&b, " %d", l.Delivery)
		for i, r := range l.Runs {
			fmt.Fprintf(&b, "%s%s", map[bool]string{true: ":", false: ","}[i == 0], tellRun(r))
		}
	}
	return b.String()
}

func tellDecision(d Decision) string {
	var b strings.Builder
	if d.After > 0 {
		fmt.Fprintf(&b, " after=%v", d.After.duration())
	}
	if d.Unstarted {
		b.WriteString(" unstarted=yes")
	}
	if d.Reason != "" {
		fmt.Fprintf(&b, " reason=%s", d.Reason)
	}
	return b.String()
}
