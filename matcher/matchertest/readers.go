package matchertest

import (
	"maps"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// What the readers part does.
const (
	readerGoroutines = 4
	readerRules      = 60  // ids in play
	readerChanges    = 200 // of the writer; between two of them some reader looks at least once
	readerEvents     = 10  // in a block
)

// history is what the set held at each version. The writer notes a version before it is made.
type history struct {
	mu struct {
		sync.Mutex
		versions []map[uint32]*matcher.Pattern
	}
}

func (h *history) note(held map[uint32]*matcher.Pattern) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.versions = append(h.mu.versions, maps.Clone(held))
}

func (h *history) at(version uint64) map[uint32]*matcher.Pattern {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.versions[version]
}

// readers lets goroutines match blocks against whatever snapshot there is while one writer adds and removes rules. Each answer
// has to be that of the version that the program says it is.
func (s Suite) readers(t *testing.T, rules []*matcher.Pattern, events []matcher.Event) {
	set := s.Engine.NewSet()
	var past history
	past.note(nil)
	stop, looked := make(chan struct{}), make(chan struct{})
	blocks := make([][]matcher.Event, 0, readerGoroutines)
	for range readerGoroutines {
		var block []matcher.Event
		for range readerEvents {
			block = append(block, events[s.Intn(len(events))])
		}
		blocks = append(blocks, block)
	}
	var wg sync.WaitGroup
	for _, block := range blocks {
		wg.Go(func() {
			var m matcher.Matches
			for last := uint64(0); ; {
				program := set.Snapshot()
				program.MatchBlock(block, &m)
				if program.Version() < last {
					t.Errorf("version %d after version %d", program.Version(), last)
				}
				last = program.Version()
				compare(t, block, past.at(last), &m)
				select {
				case looked <- struct{}{}:
				case <-stop:
					return
				}
			}
		})
	}
	s.write(t, set, &past, rules, looked)
	close(stop)
	wg.Wait()
}

// write changes the set, and lets a reader look between changes.
func (s Suite) write(t *testing.T, set matcher.Set, past *history, rules []*matcher.Pattern, looked <-chan struct{}) {
	held := make(map[uint32]*matcher.Pattern)
	for range readerChanges {
		id := uint32(s.Intn(readerRules))
		if _, there := held[id]; there && s.Intn(2) == 0 {
			delete(held, id)
			past.note(held)
			set.Remove(id)
		} else {
			held[id] = rules[s.Intn(len(rules))]
			past.note(held)
			if err := set.Add(id, held[id]); err != nil {
				t.Errorf("adding %s: %v", held[id], err)
				return
			}
		}
		<-looked
	}
}
