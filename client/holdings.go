package client

import "iter"

// holdings are the events that a session holds (S1), by the delivery that brought them: what comes in together mostly leaves together, and a map of single
// events was a fifth of what consuming costs. Of a parcel those that are done stay until it is gone through and they are the most. The zero value is empty.
type holdings struct {
	parcels map[*parcel]struct{}
	events  int
	bytes   int // of their data
}

// add takes a delivery's events in.
func (h *holdings) add(p *parcel) {
	if len(p.deliveries) == 0 {
		return
	}
	if h.parcels == nil {
		h.parcels = map[*parcel]struct{}{}
	}
	h.parcels[p] = struct{}{}
	for _, d := range p.deliveries {
		d.lease.held = true
	}
	p.left = len(p.deliveries)
	h.events += p.left
	h.bytes += p.bytes
}

// remove takes out one that is done.
func (h *holdings) remove(d *Delivery) {
	if !d.lease.held {
		return
	}
	d.lease.held = false
	h.events--
	h.bytes -= int(d.lease.bytes)
	p := d.lease.parcel
	if p.left--; p.left == 0 {
		delete(h.parcels, p)
		p.deliveries = nil
	}
}

// compact leaves out what is done if that is the most, so that going through the parcel costs no more than what is left of it. The old slice is left as
// it is: somebody may be going through it.
func (p *parcel) compact() {
	if p.left > len(p.deliveries)/2 {
		return
	}
	kept := make([]*Delivery, 0, p.left)
	for _, d := range p.deliveries {
		if d.lease.held {
			kept = append(kept, d)
		}
	}
	p.deliveries = kept
}

// all goes through what is held, in any order. What is removed meanwhile, and not reached yet, is left out.
func (h *holdings) all() iter.Seq[*Delivery] {
	return func(yield func(*Delivery) bool) {
		for p := range h.parcels {
			p.compact()
			for _, d := range p.deliveries {
				if d.lease.held && !yield(d) {
					return
				}
			}
		}
	}
}
