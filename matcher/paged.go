package matcher

// edition numbers the states of a set between two snapshots. Memory that carries the present edition is the writer's alone and is
// changed in place; memory of an earlier one may be seen by readers, and is copied before it is changed.
type edition uint64

// pageItems is how many items a page has. A change copies one page and the list of pages, so both should be small: with 100,000
// items this is 64 items and 1,563 pointers.
const pageItems = 64

// paged is a list of which a copy costs next to nothing: a copy of the struct is a snapshot, and stays as it is while the original
// is edited page by page.
type paged[T any] struct {
	edition edition
	pages   []*page[T]
}

type page[T any] struct {
	items   [pageItems]T // first, so that items of a cache line's size lie in one each
	edition edition
}

// at returns an item to read.
func (l *paged[T]) at(i uint32) *T { return &l.pages[i/pageItems].items[i%pageItems] }

// edit returns an item to change, in this edition. The list grows to hold it.
func (l *paged[T]) edit(i uint32, now edition) *T {
	if l.edition != now {
		l.pages = append(make([]*page[T], 0, len(l.pages)+1), l.pages...)
		l.edition = now
	}
	number := int(i / pageItems)
	for number >= len(l.pages) {
		l.pages = append(l.pages, &page[T]{edition: now})
	}
	p := l.pages[number]
	if p.edition != now {
		p = &page[T]{edition: now, items: p.items}
		l.pages[number] = p
	}
	return &p.items[i%pageItems]
}

// clear forgets an item.
func (l *paged[T]) clear(i uint32, now edition) {
	var none T
	*l.edit(i, now) = none
}

// grow makes sure that there is an item to read.
func (l *paged[T]) grow(i uint32, now edition) {
	if int(i) >= l.room() {
		l.edit(i, now)
	}
}

// room is how many items there is memory for; all numbers in use are below it.
func (l *paged[T]) room() int { return len(l.pages) * pageItems }

// numbers hands out numbers from 0 on, those given back first. It is the writer's.
type numbers struct {
	next uint32
	free []uint32
}

func (n *numbers) take() uint32 {
	if last := len(n.free) - 1; last >= 0 {
		i := n.free[last]
		n.free = n.free[:last]
		return i
	}
	n.next++
	return n.next - 1
}

func (n *numbers) giveBack(i uint32) { n.free = append(n.free, i) }
