package client

import "iter"

// holdings are the events that a session holds (S1), by the delivery that brought them: what comes in together mostly leaves together, and a map of single
// events was a fifth of what consuming costs. The zero value is empty.
type holdings struct {
	parcels map[*parcel]struct{}
	events  int
	bytes   int // of their data
}

// parcel is a delivery's events. Those that are done stay in it until they are the most.
type parcel struct {
	deliveries []*Delivery
	left       int // that aren't done
}

// add takes a delivery's events in.
func (h *holdings) add(ds []*Delivery) {
	if h.parcels == nil {
		h.parcels = map[*parcel]struct{}{}
	}
	p := &parcel{deliveries: ds, left: len(ds)}
	h.parcels[p] = struct{}{}
	for _, d := range ds {
		d.lease.parcel = p
		h.bytes += len(d.Event.Data)
	}
	h.events += len(ds)
}

// remove takes out one that is done.
func (h *holdings) remove(d *Delivery) {
	p := d.lease.parcel
	if p == nil {
		return
	}
	d.lease.parcel = nil
	h.events--
	h.bytes -= len(d.Event.Data)
	p.left--
	switch {
	case p.left == 0:
		delete(h.parcels, p)
	case p.left <= len(p.deliveries)/2:
		p.compact()
	}
}

// compact leaves out what is done, so that going through the parcel costs no more than what is left of it. The old slice is left as it is:
// somebody may be going through it.
func (p *parcel) compact() {
	kept := make([]*Delivery, 0, p.left)
	for _, d := range p.deliveries {
		if d.lease.parcel == p {
			kept = append(kept, d)
		}
	}
	p.deliveries = kept
}

// all goes through what is held, in any order. What is removed meanwhile, and not reached yet, is left out.
func (h *holdings) all() iter.Seq[*Delivery] {
	return func(yield func(*Delivery) bool) {
		for p := range h.parcels {
			for _, d := range p.deliveries {
				if d.lease.parcel == p && !yield(d) {
					return
				}
			}
		}
	}
}
