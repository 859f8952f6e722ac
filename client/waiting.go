package client

// waitingLine is events that wait for a handler, in their order. Its room is used again. The zero value is empty.
type waitingLine struct {
	events []*Delivery
	taken  int // of events, from the front
}

func (w *waitingLine) len() int { return len(w.events) - w.taken }

// add has events wait behind all others.
func (w *waitingLine) add(ds ...*Delivery) {
	if w.taken > 0 && len(w.events)+len(ds) > cap(w.events) && w.taken >= w.len() {
		// Room in front is at least as much as is moved, so moving costs no more than taking did.
		n := copy(w.events, w.events[w.taken:])
		clear(w.events[n:])
		w.events, w.taken = w.events[:n], 0
	}
	w.events = append(w.events, ds...)
}

// take takes the first out. There is one.
func (w *waitingLine) take() *Delivery {
	d := w.events[w.taken]
	w.events[w.taken] = nil
	w.taken++
	if w.taken == len(w.events) {
		w.events, w.taken = w.events[:0], 0
	}
	return d
}

// takeAll takes everything out.
func (w *waitingLine) takeAll() []*Delivery {
	all := w.events[w.taken:]
	*w = waitingLine{}
	return all
}

// drop takes out what somebody wants out.
func (w *waitingLine) drop(out func(*Delivery) bool) {
	all := w.takeAll()
	for _, d := range all {
		if !out(d) {
			w.events = append(w.events, d)
		}
	}
}
