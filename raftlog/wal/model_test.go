package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/hashicorp/raft"
)

// groupState is the obvious twin of a group: a map of entries.
type groupState struct {
	made        bool
	first, last uint64
	term        uint64
	entries     map[uint64]*raft.Log // what was let go of included; never changed, only replaced
	stable      map[string]string
	restart     uint64
	restartTerm uint64
}

func newGroupState() *groupState {
	return &groupState{entries: map[uint64]*raft.Log{}, stable: map[string]string{}}
}

func (s *groupState) clone() *groupState {
	c := *s
	c.entries, c.stable = maps.Clone(s.entries), maps.Clone(s.stable)
	return &c
}

func (s *groupState) append(e *raft.Log) *groupState {
	c := s.clone()
	c.entries[e.Index] = e
	if c.last == 0 {
		c.first = e.Index
	}
	c.last, c.term = e.Index, e.Term
	return c
}

func (s *groupState) truncate(from uint64) *groupState {
	c := s.clone()
	from = max(from, s.first)
	for i := from; i <= s.last; i++ {
		delete(c.entries, i)
	}
	if from == s.first {
		c.last, c.term, c.restart = 0, 0, 0
	} else {
		c.last, c.term = from-1, c.entries[from-1].Term
	}
	return c
}

// groupModel is a group during a run. While a change is on its way it may be in any of its states, the first being that from
// before; otherwise there is one.
type groupModel struct {
	states            []*groupState
	retained, covered uint64
	gone              uint64 // entries before this one may be gone
}

func (m *groupModel) now() *groupState { return m.states[len(m.states)-1] }

func (m *groupModel) settle() { m.states = m.states[len(m.states)-1:] }

func (m *groupModel) advance() {
	m.gone = max(m.gone, min(m.retained, m.covered+1, m.states[0].first))
}

const modelGroups = 4

// run is a random sequence of changes of a log, without goroutines: the same seed gives the same sequence, and the same
// writes.
type run struct {
	r      *rand.Rand
	fs     *crashFS
	log    *Log
	failed error // what Fatal was told
	models [modelGroups]groupModel
	tags   uint64
	steps  []string // what was done, for a failure's report

	// segments is how many the log may have, and crowded from how many per cent of them on all is let go of.
	segments, crowded int64

	segmentsRetired, entriesMoved, rounds uint64
}

func newRun(seed uint64) *run {
	u := &run{r: rand.New(rand.NewPCG(seed, 7)), fs: newCrashFS(), segments: 24, crowded: 60}
	if seed%64 == 0 { // so full that rounds are made
		u.segments, u.crowded = 14, 80
	}
	for i := range u.models {
		u.models[i].states = []*groupState{newGroupState()}
	}
	return u
}

func (u *run) options(fs *crashFS, r *rand.Rand) Options {
	return Options{
		FS: fs, Dir: "/wal", Node: [16]byte{1}, SegmentBytes: segmentBytesMin, BytesMax: u.segments * segmentBytesMin, CacheBytes: 32 << 10,
		Fatal: func(err error) { u.failed = err }, Logger: slog.New(slog.DiscardHandler),
		manual: true, nonce: r.Uint64, poison: true,
	}
}

func (u *run) open() error {
	l, err := Open(u.options(u.fs, u.r))
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	if u.log != nil {
		u.count()
	}
	u.log = l
	return nil
}

func (u *run) count() {
	u.segmentsRetired += u.log.Stats().SegmentsRetired
	u.entriesMoved += u.log.Stats().BytesMoved
	u.rounds += u.log.Stats().Rounds
}

// step does something at random. An error is a failure of the test.
func (u *run) step() error {
	id := u.r.IntN(modelGroups)
	m := &u.models[id]
	if !m.now().made {
		u.sayf("group %d: make", id)
		next := newGroupState()
		next.made = true
		*m = groupModel{states: []*groupState{m.now(), next}}
		_, err := u.log.Group(GroupID(id))
		m.settle()
		return err
	}
	g, err := u.log.Group(GroupID(id))
	if err != nil {
		return err
	}
	switch action := u.r.IntN(100); {
	case action < 40:
		err = u.change(id)
	case action < 60:
		err = u.changeSeveral()
	case action < 75:
		err = u.letGo(id, g)
	case action < 78:
		err = u.restart(id, g)
	case action < 82:
		err = u.adopt(id, g)
	case action < 92 && action >= 86:
		err = u.storeAhead(id, g)
	case action < 83:
		u.sayf("group %d: remove", id)
		m.states = append(m.states, newGroupState())
		err = g.Remove()
		m.settle()
	case action < 86:
		err = u.reopen()
	default:
		err = u.change(id)
	}
	if err != nil {
		return err
	}
	for u.log.retireOne() {
		u.sayf("retired a segment")
	}
	if usage := u.log.Usage(); usage.Bytes > usage.BytesMax*u.crowded/100 {
		return u.letAllGo()
	}
	return u.failed
}

func (u *run) sayf(format string, args ...any) {
	u.steps = append(u.steps, fmt.Sprintf(format, args...))
}

// change makes one change that is written, and waits for it.
func (u *run) change(id int) error {
	b, err := u.begin(id)
	if err == nil && b != nil {
		err = u.log.await(b)
	}
	u.models[id].settle()
	return err
}

// changeSeveral makes changes of several groups that share a batch.
func (u *run) changeSeveral() error {
	var batches []*batch
	var ids []int
	for id := range u.models {
		if !u.models[id].now().made || u.r.IntN(3) == 0 {
			continue
		}
		b, err := u.begin(id)
		if err != nil {
			return err
		}
		ids = append(ids, id)
		if b != nil {
			batches = append(batches, b)
		}
	}
	for _, b := range batches {
		if err := u.log.await(b); err != nil {
			return err
		}
	}
	for _, id := range ids {
		u.models[id].settle()
	}
	return nil
}

// begin makes a change: entries, a truncation, a term or a vote.
func (u *run) begin(id int) (*batch, error) {
	g, err := u.log.Group(GroupID(id))
	if err != nil {
		return nil, err
	}
	m := &u.models[id]
	s := m.now()
	switch action := u.r.IntN(10); {
	case action == 0 && s.last != 0:
		from := s.first + u.r.Uint64N(s.last-s.first+1)
		if u.r.IntN(4) == 0 {
			from = s.first
		}
		u.sayf("group %d: truncate %d to %d", id, from, s.last)
		m.states = append(m.states, s.truncate(from))
		return g.beginTruncate(from)
	case action == 1:
		next := s.clone()
		term := string(binary.BigEndian.AppendUint64(nil, u.r.Uint64N(100)))
		next.stable[keyCurrentTerm] = term
		u.sayf("group %d: term", id)
		m.states = append(m.states, next)
		return g.beginSet([]byte(keyCurrentTerm), []byte(term))
	case action == 2:
		next := s.clone()
		term, candidate := string(binary.BigEndian.AppendUint64(nil, u.r.Uint64N(100))), fmt.Sprint("n", u.r.IntN(5))
		next.stable[keyLastVoteTerm], next.stable[keyLastVoteCand] = term, candidate
		u.sayf("group %d: vote", id)
		m.states = append(m.states, next)
		if b, err := g.beginSet([]byte(keyLastVoteTerm), []byte(term)); err != nil || b != nil {
			return nil, errors.Join(err, errors.New("half a vote is written"))
		}
		return g.beginSet([]byte(keyLastVoteCand), []byte(candidate))
	}
	return g.beginStore(u.entries(id))
}

// entries makes some that continue the group's last state, each of them another state.
func (u *run) entries(id int) []*raft.Log {
	m := &u.models[id]
	s := m.now()
	var entries []*raft.Log
	for range 1 + u.r.IntN(4) {
		e := u.entry(id, u.next(s), s.term+u.r.Uint64N(2))
		s = s.append(e)
		m.states = append(m.states, s)
		entries = append(entries, e)
	}
	u.sayf("group %d: append %d to %d", id, entries[0].Index, s.last)
	return entries
}

// next is the index that continues a state.
func (u *run) next(s *groupState) uint64 {
	switch {
	case s.last != 0:
		return s.last + 1
	case s.restart != 0:
		return s.restart + 1
	}
	return max(s.first, 1)
}

// entry makes one whose data say which it is.
func (u *run) entry(id int, index, term uint64) *raft.Log {
	u.tags++
	length := u.r.IntN(600)
	if u.r.IntN(6) == 0 {
		length = u.r.IntN(9000)
	}
	data := make([]byte, 32, 32+length)
	binary.LittleEndian.PutUint64(data[0:], uint64(id))
	binary.LittleEndian.PutUint64(data[8:], index)
	binary.LittleEndian.PutUint64(data[16:], term)
	binary.LittleEndian.PutUint64(data[24:], u.tags)
	for len(data) < cap(data) {
		data = append(data, byte(u.tags)+byte(len(data)))
	}
	e := &raft.Log{Index: index, Term: max(term, 1), Type: raft.LogType(u.r.IntN(2)), Data: data}
	if u.r.IntN(3) == 0 {
		e.Extensions = binary.LittleEndian.AppendUint64(nil, u.tags)
	}
	return e
}

// letGo moves marks: a checkpoint, the prefix that the library lets go of after it, and what the owner retains.
func (u *run) letGo(id int, g *Group) error {
	m := &u.models[id]
	s := m.now().clone()
	if s.last != 0 {
		m.covered = max(m.covered, s.first+u.r.Uint64N(s.last-s.first+1))
		g.Covered(m.covered)
		if to := min(m.covered, s.last-1); to >= s.first {
			s.first = to + 1
			if err := g.DeleteRange(1, to); err != nil {
				return err
			}
		}
	}
	m.states[0] = s
	if u.r.IntN(3) > 0 {
		m.retained = max(m.retained, u.r.Uint64N(max(s.first, s.last)+2))
		g.Retain(m.retained)
	}
	m.advance()
	u.sayf("group %d: let go, covered %d, first %d, retained %d", id, m.covered, s.first, m.retained)
	return nil
}

func (u *run) letAllGo() error {
	for id := range u.models {
		m := &u.models[id]
		if !m.now().made {
			continue
		}
		g, err := u.log.Group(GroupID(id))
		if err != nil {
			return err
		}
		s := m.now()
		m.covered, m.retained = max(m.covered, s.last), max(m.retained, s.last)
		g.Covered(m.covered)
		g.Retain(m.retained)
		if err := u.letGo(id, g); err != nil {
			return err
		}
	}
	for u.log.retireOne() {
		u.sayf("retired a segment")
	}
	return u.failed
}

// restart does what a snapshot does that was installed, most often one from far ahead.
func (u *run) restart(id int, g *Group) error {
	m := &u.models[id]
	s := m.now()
	index := max(s.last, s.first, 1) + u.r.Uint64N(5)
	term := s.term + u.r.Uint64N(2)
	if s.last != 0 && u.r.IntN(3) == 0 {
		index = s.first + u.r.Uint64N(s.last-s.first+1)
		term = s.entries[index].Term + u.r.Uint64N(2)
	}
	if e := s.entries[index]; s.last == 0 || index > s.last || e.Term != term {
		if s.last != 0 {
			m.states = append(m.states, s.truncate(s.first))
		}
		next := m.now().clone()
		next.first, next.restart, next.restartTerm, next.term = max(next.first, index+1), index, term, term
		m.states = append(m.states, next)
	}
	u.sayf("group %d: restart at %d, term %d", id, index, term)
	err := g.Restart(index, term)
	m.settle()
	return err
}

// adopt stores some entries from before first that are not there.
func (u *run) adopt(id int, g *Group) error {
	m := &u.models[id]
	s := m.now()
	var entries []*raft.Log
	for i := uint64(1); i < s.first && len(entries) < 4; i++ {
		if _, there := s.entries[i]; there || u.r.IntN(3) == 0 {
			continue
		}
		e := u.entry(id, i, 1)
		next := m.now().clone()
		next.entries[i] = e
		m.states = append(m.states, next)
		entries = append(entries, e)
	}
	u.sayf("group %d: adopt %d entries", id, len(entries))
	err := g.Adopt(entries)
	m.settle()
	return err
}

// reopen closes the log or kills its process, and opens it again.
func (u *run) reopen() error {
	if u.r.IntN(2) == 0 {
		u.sayf("close")
		if err := u.log.Close(); err != nil {
			return err
		}
	} else {
		u.sayf("kill")
		if err := u.log.lock.Close(); err != nil {
			return err
		}
	}
	if err := u.open(); err != nil {
		return err
	}
	return u.adoptState(u.log)
}

// adoptState makes the state that a log was opened in the run's.
func (u *run) adoptState(l *Log) error {
	found, err := u.check(l)
	if err != nil {
		return err
	}
	for id := range u.models {
		m := &u.models[id]
		s := m.states[found[id]].clone()
		m.states = []*groupState{s}
		m.retained, m.covered = 0, 0
		if !s.made {
			continue
		}
		g, err := l.Group(GroupID(id))
		if err != nil {
			return err
		}
		switch {
		case s.last != 0:
			s.first = g.Usage().First
		case s.restart != 0:
			if err := g.Restart(s.restart, s.restartTerm); err != nil { // as the owner does, from its checkpoint
				return err
			}
		default:
			s.first = max(1, g.mu.first)
		}
		for i := range s.entries { // what is gone won't come back, and what is not must not go
			var e raft.Log
			if g.Read(i, &e) != nil {
				delete(s.entries, i)
			}
		}
		m.gone = 0
	}
	return nil
}

// check compares a log with the model, and returns in which of its states each group is.
func (u *run) check(l *Log) (found [modelGroups]int, err error) {
	there := l.Groups()
	for id := range u.models {
		m := &u.models[id]
		var why error
		found[id] = -1
		for i, s := range m.states {
			if slices.Contains(there, GroupID(id)) != s.made {
				why = errors.Join(why, fmt.Errorf("group %d: there: %t, want %t", id, !s.made, s.made))
				continue
			}
			var err error
			if s.made {
				err = checkGroup(l, GroupID(id), s, m.gone)
			}
			if err == nil {
				found[id] = i
				break
			}
			why = errors.Join(why, fmt.Errorf("group %d is not in state %d: %w", id, i, err))
		}
		if found[id] < 0 {
			return found, errors.Join(why, u.failed)
		}
	}
	return found, u.failed
}

func checkGroup(l *Log, id GroupID, s *groupState, gone uint64) error {
	g, err := l.Group(id)
	if err != nil {
		return err
	}
	usage := g.Usage()
	if usage.Last != s.last || usage.First > s.first {
		return fmt.Errorf("entries %d to %d, want %d to %d", usage.First, usage.Last, s.first, s.last)
	}
	for key, want := range s.stable {
		if got, err := g.Get([]byte(key)); err != nil || string(got) != want {
			return fmt.Errorf("%s is %x, %w; want %x", key, got, err, want)
		}
	}
	if len(g.mu.stable) != len(s.stable) {
		return fmt.Errorf("%d stable values, want %d", len(g.mu.stable), len(s.stable))
	}
	last := slices.Max(append(slices.Collect(maps.Keys(s.entries)), s.last)) + 6
	for i := range last {
		var got raft.Log
		err := g.GetLog(i, &got)
		want := s.entries[i]
		switch {
		case errors.Is(err, raft.ErrLogNotFound):
			if want != nil && (i >= gone || i >= usage.First && s.last != 0) {
				return fmt.Errorf("entry %d is gone; those from %d on are wanted", i, gone)
			}
		case err != nil:
			return fmt.Errorf("entry %d: %w", i, err)
		case want == nil:
			return fmt.Errorf("entry %d of term %d came back", i, got.Term)
		case got.Index != i || got.Term != want.Term || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Extensions, want.Extensions):
			return fmt.Errorf("entry %d is another one: index %d, term %d, %d bytes; want term %d, %d bytes", i, got.Index, got.Term, len(got.Data), want.Term, len(want.Data))
		}
	}
	return nil
}
