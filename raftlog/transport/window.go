package transport

import (
	"sync"

	"github.com/hashicorp/raft"
)

// windowMessageBytes is what a message counts for besides its entries.
const windowMessageBytes = 1 << 10

// window bounds the bytes of entries that are on their way to a peer, from before they are sent until they are answered: of each
// group, and of all together. A group with nothing on its way may always send one message, cut to one entry when the
// window of all is used up. So a group whose peer does not answer holds up itself and nobody else, and the peer holds at
// most its window and an entry of each group.
type window struct {
	groupMax, totalMax int

	mu struct {
		sync.Mutex
		total   int
		groups  map[GroupNumber]int
		changed chan struct{} // closed when room was made and somebody waits; nil when nobody does
	}
}

func (w *window) init(groupMax, totalMax int) {
	w.groupMax, w.totalMax = groupMax, totalMax
	w.mu.groups = map[GroupNumber]int{}
}

// take makes room for the first of some entries, as many as there may be in a message with limit bytes of them, at least one. When
// there is no room for one, it returns none and a channel that is closed when it is worth trying again.
func (w *window) take(group GroupNumber, entries []*raft.Log, limit int) (count, bytes int, again <-chan struct{}) {
	if len(entries) == 0 {
		return 0, 0, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	used := w.mu.groups[group]
	room := min(w.groupMax-used, w.totalMax-w.mu.total)
	bytes = windowMessageBytes
	for count < min(len(entries), entriesMax) {
		n := entryBytes(entries[count])
		fits := bytes+n+entryHeaderBytes <= room
		if count > 0 && (!fits || n > limit) || count == 0 && !fits && used > 0 {
			break
		}
		limit -= n
		bytes += n + entryHeaderBytes
		count++
	}
	if count == 0 {
		if w.mu.changed == nil {
			w.mu.changed = make(chan struct{})
		}
		return 0, 0, w.mu.changed
	}
	w.mu.groups[group] = used + bytes
	w.mu.total += bytes
	return count, bytes, nil
}

// give makes room again.
func (w *window) give(group GroupNumber, bytes int) {
	if bytes == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.groups[group] -= bytes; w.mu.groups[group] == 0 {
		delete(w.mu.groups, group)
	}
	w.mu.total -= bytes
	if w.mu.changed != nil {
		close(w.mu.changed)
		w.mu.changed = nil
	}
}
