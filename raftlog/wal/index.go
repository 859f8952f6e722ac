package wal

import "slices"

// location says where an entry is: 24 bytes for each entry that the log holds.
type location struct {
	term    uint64
	segment uint32 // the serial's low half: so many segments are never there at once
	offset  uint32 // of the record, in the segment
	bytes   uint32 // of the record
	kind    uint8  // Raft's type of the entry
}

// extent is a run of entries without gaps.
type extent struct {
	first     uint64
	locations []location
}

func (e *extent) end() uint64 { return e.first + uint64(len(e.locations)) }

// index finds the entries of a group. Extents ascend and neither overlap nor touch; there is one, but for a group that took
// a snapshot and has not fetched what lies between.
//
// It is not safe for concurrent use; the group's lock guards it.
type index struct {
	extents []extent
	bytes   int64 // of all records
}

// extentFor returns the number of the extent that holds i, or that of the first one behind it.
func (x *index) extentFor(i uint64) (at int, holds bool) {
	if n := len(x.extents); n > 0 && i >= x.extents[n-1].first { // nearly always
		if i < x.extents[n-1].end() {
			return n - 1, true
		}
		return n, false
	}
	at, _ = slices.BinarySearchFunc(x.extents, i, func(e extent, i uint64) int {
		if e.end() <= i {
			return -1
		}
		return 1
	})
	return at, at < len(x.extents) && x.extents[at].first <= i
}

func (x *index) find(i uint64) (location, bool) {
	at, holds := x.extentFor(i)
	if !holds {
		return location{}, false
	}
	return x.extents[at].locations[i-x.extents[at].first], true
}

// set puts an entry in its place, or gives it another location.
func (x *index) set(i uint64, to location) {
	x.bytes += int64(to.bytes)
	at, holds := x.extentFor(i)
	if holds {
		was := &x.extents[at].locations[i-x.extents[at].first]
		x.bytes -= int64(was.bytes)
		*was = to
		return
	}
	if at > 0 && x.extents[at-1].end() == i {
		x.extents[at-1].locations = append(x.extents[at-1].locations, to)
		x.join(at)
		return
	}
	x.extents = slices.Insert(x.extents, at, extent{first: i, locations: []location{to}})
	x.join(at + 1)
}

// join makes extent number at one with the one before it if they touch.
func (x *index) join(at int) {
	if at >= len(x.extents) || x.extents[at-1].end() != x.extents[at].first {
		return
	}
	x.extents[at-1].locations = append(x.extents[at-1].locations, x.extents[at].locations...)
	x.extents = slices.Delete(x.extents, at, at+1)
}

// truncate drops the entries from i on.
func (x *index) truncate(i uint64) {
	at, holds := x.extentFor(i)
	if holds {
		e := &x.extents[at]
		x.forget(e.locations[i-e.first:])
		if e.locations = e.locations[:i-e.first]; len(e.locations) > 0 {
			at++
		}
	}
	for _, e := range x.extents[at:] {
		x.forget(e.locations)
	}
	x.extents = slices.Delete(x.extents, at, len(x.extents))
}

// dropBelow drops the entries before i.
func (x *index) dropBelow(i uint64) {
	at, holds := x.extentFor(i)
	if holds {
		e := &x.extents[at]
		n := int(i - e.first)
		x.forget(e.locations[:n])
		e.locations = e.locations[n:]
		e.first = i
		// append makes a new array at times, and leaves what was dropped behind; until then a large rest is copied.
		if n > 0 && cap(e.locations) < n {
			e.locations = slices.Clone(e.locations)
		}
	}
	for _, e := range x.extents[:at] {
		x.forget(e.locations)
	}
	x.extents = slices.Delete(x.extents, 0, at)
}

func (x *index) forget(locations []location) {
	for i := range locations {
		x.bytes -= int64(locations[i].bytes)
	}
}

// oldest and newest return the ends of what is there; 0 and 0 when nothing is.
func (x *index) oldest() uint64 {
	if len(x.extents) == 0 {
		return 0
	}
	return x.extents[0].first
}

func (x *index) newest() uint64 {
	if len(x.extents) == 0 {
		return 0
	}
	return x.extents[len(x.extents)-1].end() - 1
}

// contiguous says whether all entries from first to last are there.
func (x *index) contiguous(first, last uint64) bool {
	at, holds := x.extentFor(first)
	return holds && last < x.extents[at].end()
}
