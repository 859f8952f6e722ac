package matcher

import (
	"cmp"
	"slices"
	"sync"
)

// Set holds rules, each a pattern under an id of the caller's, and hands out programs that match blocks of events against all
// of them. Every rule answers as if it were alone in the set.
//
// Add and Remove are for one goroutine at a time. Snapshot may be called by any, at any time.
type Set interface {
	// Add puts a pattern under an id, in the place of the one that was there. A nil pattern matches every event, JSON or
	// not. The set keeps the pattern. An error means that the implementation can't bear the pattern beside the others, says
	// the cost and the limit, and leaves the set as it was; the plain one never refuses.
	Add(id uint32, p *Pattern) error
	// Remove takes a rule out; an id that isn't there is none to remove.
	Remove(id uint32)
	// Snapshot returns the rules as they are now. It changes no more, whatever happens to the set.
	Snapshot() Program
}

// Program is an immutable set of rules. Any number of goroutines may use one.
type Program interface {
	// Version is 0 for the empty set and one more after each Add and each Remove that took something out, so two programs of
	// one set with the same version hold the same rules.
	Version() uint64
	// MatchBlock finds which rules match which events, and leaves that in m, whose former content is lost. It keeps neither
	// the events nor m. Each event is read once, however many rules there are. Once m has grown to what blocks need, the
	// result allocates nothing; Plain does allocate while it reads an event and puts it to a pattern.
	MatchBlock(events []Event, m *Matches)
}

// Engine is an implementation of Set, by name: what the conformance suite and `freshet pattern test` run on.
type Engine struct {
	Name   string
	NewSet func() Set
}

// Plain evaluates rule by rule. It stays for good, as the twin of whatever is faster.
var Plain = Engine{Name: "plain", NewSet: func() Set { return &plainSet{} }}

// Engines lists the implementations that exist, the preferred one first.
func Engines() []Engine { return []Engine{Compiled, Plain} }

// NewSet makes an empty set of the preferred engine.
func NewSet() Set { return Engines()[0].NewSet() }

// plainSet keeps rules in a map, and sorts them when a snapshot is wanted.
type plainSet struct {
	mu struct {
		sync.Mutex
		rules   map[uint32]*Pattern
		version uint64
		latest  *plainProgram // of the present version, or nil
	}
}

func (s *plainSet) Add(id uint32, p *Pattern) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.rules == nil {
		s.mu.rules = make(map[uint32]*Pattern)
	}
	s.mu.rules[id] = p
	s.changedLocked()
	return nil
}

func (s *plainSet) Remove(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.mu.rules[id]; ok {
		delete(s.mu.rules, id)
		s.changedLocked()
	}
}

func (s *plainSet) changedLocked() {
	s.mu.version++
	s.mu.latest = nil
}

func (s *plainSet) Snapshot() Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.latest == nil {
		p := &plainProgram{version: s.mu.version, rules: make([]rule, 0, len(s.mu.rules))}
		for id, pattern := range s.mu.rules {
			p.rules = append(p.rules, rule{id: id, pattern: pattern})
		}
		slices.SortFunc(p.rules, func(a, b rule) int { return cmp.Compare(a.id, b.id) })
		for _, r := range p.rules {
			if r.pattern == nil {
				p.everything = append(p.everything, r.id)
			}
		}
		s.mu.latest = p
	}
	return s.mu.latest
}

type rule struct {
	id      uint32
	pattern *Pattern
}

type plainProgram struct {
	version uint64
	rules   []rule // by ascending id
	// everything are the ids of those without a pattern.
	everything []uint32
}

func (p *plainProgram) Version() uint64 { return p.version }

func (p *plainProgram) MatchBlock(events []Event, m *Matches) {
	m.reset(len(events), len(p.rules))
	if len(p.rules) > len(p.everything) {
		var j judgement
		for i, event := range events {
			p.matchEvent(i, ParseEvent(event), &j, m)
		}
		for i := range m.noted {
			m.noted[i].id = p.rules[m.noted[i].pattern].id
		}
	}
	m.finish(p.everything)
}

func (p *plainProgram) matchEvent(number int, event *ParsedEvent, j *judgement, m *Matches) {
	if event.Err() != nil {
		return
	}
	for i, r := range p.rules {
		if r.pattern == nil {
			continue
		}
		if j.reset(r.pattern, event); j.matches() {
			m.set(i, number)
		}
	}
}
