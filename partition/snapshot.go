package partition

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// A snapshot is the whole state of a machine, by which a replica starts again without the entries before. Numbers are varints, lists
// begin with their length:
//
//	'F' 'P' version
//	applied, term, clock, wall, last cursor, last lease, expired, log bytes
//	streams:    id, next, floor, dropped, bytes, last stored, log at the last reference, set version, reference due, leaving,
//	            retention
//	            references:     first, index, section, stored, prior, bytes
//	            size chunks:    number, class, classes
//	            subscriptions:  config, leaving, past patterns
//	                cursors:    member, ordinal, turn, leaving, used, reach, frontier, resume, what it lost, ready, held, ahead, later, tries, dead,
//	                            delayed; in an ordered queue also: stalls, late rows, keys of what is ready or held, keys of what is ahead
//	due:        exact buckets, then buckets of an hour: time, stream, rows
//	sessions in the order of their cursors, then leases in the order of their deadlines, then producers, the least recently used first
const (
	snapshotMagic0  = 'F'
	snapshotMagic1  = 'P'
	snapshotVersion = 1
)

// Snapshot returns the machine's state. Two machines that applied the same entries return the same bytes (P9).
func (m *Machine) Snapshot() []byte {
	b := []byte{snapshotMagic0, snapshotMagic1, snapshotVersion}
	for _, v := range []uint64{
		uint64(m.applied), uint64(m.term), uint64(m.clock), uint64(m.wall), m.lastCursor, m.lastLease, m.expired,
		m.logBytes,
	} {
		b = binary.AppendUvarint(b, v)
	}
	var sessions []*session
	b = binary.AppendUvarint(b, uint64(len(m.streamOrder)))
	for _, st := range m.streamOrder {
		b = st.appendTo(b)
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				sessions = append(sessions, c.sessions...)
			}
		}
	}
	b = m.due.appendTo(b)
	b = binary.AppendUvarint(b, uint64(len(sessions)))
	for _, s := range sessions {
		b = s.appendTo(b)
	}
	b = binary.AppendUvarint(b, uint64(m.deadlines.Len()))
	m.deadlines.Ascend(func(l *lease) bool {
		b = l.appendTo(b)
		return true
	})
	b = binary.AppendUvarint(b, uint64(m.producers.order.Len()))
	for e := m.producers.order.Back(); e != nil; e = e.Prev() {
		b = e.Value.(*producer).appendTo(b) //nolint:forcetypeassert // the list holds nothing else
	}
	return b
}

// restoreOrders puts into order what follows from the rest: each cursor's leases, what is leaving, and members that nobody is attached to.
func (m *Machine) restoreOrders() {
	var leases []*lease
	m.deadlines.Ascend(func(l *lease) bool {
		leases = append(leases, l)
		return true
	})
	slices.SortFunc(leases, func(a, b *lease) int { return cmp.Compare(a.id, b.id) })
	for _, l := range leases {
		l.cursor.leases.add(l)
	}
	for _, st := range m.streamOrder {
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				if c.leaving {
					m.leaving.ReplaceOrInsert(c)
				}
				m.rest(c)
			}
		}
	}
}

// Restore returns the machine that a snapshot is of.
func Restore(snapshot []byte) (*Machine, error) {
	if len(snapshot) < 3 || snapshot[0] != snapshotMagic0 || snapshot[1] != snapshotMagic1 {
		return nil, fmt.Errorf("%w: a snapshot of %d bytes doesn't begin with 'F' 'P'", ErrCorrupt, len(snapshot))
	}
	if v := snapshot[2]; v != snapshotVersion {
		return nil, fmt.Errorf("%w: snapshot version %d, known is %d", ErrCorrupt, v, snapshotVersion)
	}
	m := NewMachine()
	d := &decoder{b: snapshot[3:]}
	m.applied, m.term = Index(d.uvarint("applied")), Term(d.uvarint("term"))
	m.clock, m.wall = Tick(d.uvarint("clock")), Wall(d.uvarint("wall"))
	m.lastCursor, m.lastLease, m.expired = d.uvarint("last cursor"), d.uvarint("last lease"), d.uvarint("expired")
	m.logBytes = d.uvarint("log bytes")
	for range d.count("streams") {
		m.restoreStream(d)
	}
	m.restoreDue(d)
	for range d.count("sessions") {
		m.restoreSession(d)
	}
	for range d.count("leases") {
		m.restoreLease(d)
	}
	m.restoreOrders()
	for range d.count("producers") {
		m.producers.restore(d)
	}
	if err := d.done("snapshot"); err != nil {
		return nil, err
	}
	return m, nil
}
