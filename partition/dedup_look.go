package partition

import (
	"github.com/freshet-mq/freshet/proto/block"
)

// lookUpIDs has the leader's verdict put into a section: which events of its block repeat one that was stored before, and through which entry that is
// known. It holds the machine only for as long as it takes to see which generations there are. now is the partition clock's time.
func (p *Partition) lookUpIDs(s *blockSection, b *block.Block, now Tick) {
	if !b.HasDedupIDs() {
		return
	}
	var generations []*generation
	p.replica.look(func(m *Machine) { generations, s.Checked = m.dedup.frozen() })
	s.judge(b, generations, now)
}

// judge puts into a section which events of its block have ids that the generations know.
func (s *blockSection) judge(b *block.Block, generations []*generation, now Tick) {
	for len(generations) > 0 && generations[0].over(now) { // it will be by the time the entry is applied
		generations = generations[1:]
	}
	if len(generations) == 0 {
		return
	}
	for i := range b.Len() {
		key := dedupKey{stream: s.Stream, hash: b.DedupHash(i)}
		if key.hash == (block.DedupHash{}) {
			continue
		}
		if at, found := findIn(generations, &key); found {
			s.Repeats = append(s.Repeats, Repeat{Event: uint32(i), First: at})
		}
	}
}
