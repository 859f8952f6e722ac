package wal

import (
	"sync"
	"sync/atomic"
)

// arena is memory for batches, one behind the other at multiples of a block: of those that are in the cache, of the one that is
// written, and of the open one. Batches have all sizes, and none knows its own when it is opened; arenas have one, so that any
// can be used again for whatever comes, and a batch is seldom copied because it has grown.
//
//	├─ cached ─┼─ cached ─┼─ being written ─┼─ open ───▶        ┤
//	                                        used
//
// Memory that was never touched, or that the collector has cleared, costs more to write into than the copy.
type arena struct {
	bytes []byte
	used  int // by batches that were taken; the log's lock guards it
	// tops has every group's highest entry in it: it is not used again before all are applied. The writer's, then the cache's.
	tops map[*Group]uint64
	// lent says that a slice of it may be held by somebody of whom we hear no more.
	lent atomic.Bool
}

const (
	arenaBytesMin = 256 << 10 // of the first one, then doubled: most logs of most tests, and idle ones, never need more
	arenaBytesMax = 8 << 20
	freeBytesMax  = 16 << 20
)

// arenas are a log's: the one that is filled, and those that are free.
type arenas struct {
	poison bool
	most   int // bytes of one
	// current is the one that the open batch is in, or the next one will be. The log's lock guards it.
	current *arena
	mu      struct {
		sync.Mutex
		free []*arena
		size int // of the one made last
	}
}

// place finds memory for a batch that will likely have so many bytes.
func (p *arenas) place(b *batch, likely int) {
	a := p.current
	likely = int(alignBlock(int64(likely)))
	if a == nil || len(a.bytes)-a.used < likely {
		a = p.get(likely)
		p.current = a
	}
	b.arena, b.buffer = a, a.bytes[a.used:]
}

// move gives the open batch room for n bytes in another arena.
func (p *arenas) move(b *batch, n int) {
	a := p.get(n)
	copy(a.bytes, b.buffer[:min(b.used, len(b.buffer))])
	p.current = a
	b.arena, b.buffer = a, a.bytes
}

// took is told that the open batch has its size.
func (p *arenas) took(b *batch) { b.arena.used += int(alignBlock(int64(b.used))) }

// get returns an arena with room for n bytes; what is in it is anything.
func (p *arenas) get(n int) *arena {
	n = int(alignBlock(int64(n)))
	if n > p.most {
		return &arena{bytes: make([]byte, n)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.mu.free) - 1; last >= 0 {
		a := p.mu.free[last]
		p.mu.free[last] = nil
		p.mu.free = p.mu.free[:last]
		return a
	}
	p.mu.size = min(max(2*p.mu.size, arenaBytesMin), p.most)
	for p.mu.size < n {
		p.mu.size = min(2*p.mu.size, p.most)
	}
	return &arena{bytes: make([]byte, p.mu.size)}
}

// put takes an arena that has left the cache. It is used again if nobody can look at it any more, unless it is of another size, or
// there are freeBytesMax already.
func (p *arenas) put(a *arena) {
	if a.lent.Load() || !a.applied() {
		return
	}
	if p.poison {
		for i := range a.bytes {
			a.bytes[i] = 0xdb
		}
	}
	if len(a.bytes) != p.most {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if (len(p.mu.free)+1)*p.most <= freeBytesMax {
		clear(a.tops)
		a.used = 0
		p.mu.free = append(p.mu.free, a)
	}
}

// applied says whether every entry in the arena is applied in its group.
func (a *arena) applied() bool {
	for g, index := range a.tops {
		if g.applied.Load() < index {
			return false
		}
	}
	return true
}

// note keeps what must be known of an entry before the arena is used again.
func (a *arena) note(g *Group, index uint64) {
	if a.tops == nil {
		a.tops = map[*Group]uint64{}
	}
	a.tops[g] = max(a.tops[g], index)
}
