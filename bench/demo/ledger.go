package demo

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
)

// Place is where an event lies: offsets are dense and unique within a
// partition, so a place names one event.
type Place struct {
	Partition uint32
	Offset    uint64
}

func (p Place) String() string { return fmt.Sprintf("partition %d offset %d", p.Partition, p.Offset) }

// Reader is somebody who has an event to himself: a queue, or one member of a
// fan-out. Readers are numbered from 0.
type Reader int

// readersMax is how many readers a ReaderSet holds.
const readersMax = 64

// ReaderSet is some readers, a bit each.
type ReaderSet uint64

// With is the set and one more.
func (s ReaderSet) With(r Reader) ReaderSet { return s | 1<<r }

// Has reports whether the set holds a reader.
func (s ReaderSet) Has(r Reader) bool { return s>>r&1 == 1 }

// Len is how many readers the set holds.
func (s ReaderSet) Len() int { return bits.OnesCount64(uint64(s)) }

// Digest stands for an event's bytes. Two different events of a run have the
// same one once in 2^64 pairs, and none can be made on purpose: the seed is
// drawn when the process starts.
type Digest uint64

var digestSeed = maphash.MakeSeed()

// DigestOf is the digest of an event's bytes.
func DigestOf(event []byte) Digest { return Digest(maphash.Bytes(digestSeed, event)) }

// Ledger writes down what was published, what arrived and what was settled, and
// says from that alone what is missing and what should not be. It knows nothing
// of clients and brokers: it is told.
//
// An event is known by its position in the run. The publisher tells of it twice:
// Sent with who should get it, then Stored with its place. A reader tells of
// places, and may be quicker than the publisher is with Stored, so a place holds
// its arrivals from the first word about it, whoever has it.
//
//	Sent(event, wanted, digest) ──► events[event]
//	Stored(event, place) ─────────► events[event].place ◄──┐ joined
//	Arrived(reader, place, digest) ─► places[place] ◄──────┘ by Figures
//	Acked, Rejected, Dead (reader, place) ─► places[place]
//
// It holds about 150 bytes an event and 40 a pair. Safe for concurrent use.
type Ledger struct {
	readers int
	mu      struct {
		sync.Mutex
		events []sent
		places map[Place]*place
		// strays are the places of which no publisher has spoken yet.
		strays map[Place]*place
		// unknown are digests of publishes whose outcome nobody knows: such an
		// event may arrive, and need not.
		unknown map[Digest]bool
		// clashes are events that were told to be where another one is.
		clashes []int
	}
}

// sent is what the publisher said of an event.
type sent struct {
	digest Digest
	wanted ReaderSet
	place  *place // nil until it is stored
}

// place is what is known of the event at a place.
type place struct {
	at       Place
	event    int // -1 until a publisher says which
	acked    ReaderSet
	rejected ReaderSet
	dead     ReaderSet
	arrivals []arrival
}

// arrival is how often some bytes reached a reader.
type arrival struct {
	digest Digest
	reader Reader
	times  int
	// late began after the reader had been told that the ack is stored,
	// buried after it had been told that the rejection is.
	late, buried int
}

// NewLedger makes an empty ledger for so many readers, at most 64.
func NewLedger(readers int) (*Ledger, error) {
	if readers < 0 || readers > readersMax {
		return nil, fmt.Errorf("a ledger holds at most %d readers, got %d", readersMax, readers)
	}
	l := &Ledger{readers: readers}
	l.mu.places, l.mu.strays = make(map[Place]*place), make(map[Place]*place)
	l.mu.unknown = make(map[Digest]bool)
	return l, nil
}

// Sent says that an event is about to be published, and who should get it.
func (l *Ledger) Sent(event int, wanted ReaderSet, digest Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.mu.events) <= event {
		l.mu.events = append(l.mu.events, sent{})
	}
	l.mu.events[event] = sent{digest: digest, wanted: wanted}
}

// Stored says that an event that was sent is confirmed as stored, and where.
func (l *Ledger) Stored(event int, at Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.placeLocked(at)
	l.mu.events[event].place = p
	if p.event >= 0 && p.event != event {
		l.mu.clashes = append(l.mu.clashes, event)
		return
	}
	p.event = event
	delete(l.mu.strays, at)
}

// Unknown says that nobody knows whether an event that was sent is stored.
func (l *Ledger) Unknown(event int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.unknown[l.mu.events[event].digest] = true
}

// Arrived says that a reader begins with an event. It returns how often the
// reader has begun with this place by now, 1 for the first time.
func (l *Ledger) Arrived(r Reader, at Place, digest Digest) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.placeLocked(at)
	a := p.arrival(r, digest)
	a.times++
	if p.acked.Has(r) {
		a.late++
	}
	if p.rejected.Has(r) {
		a.buried++
	}
	return a.times
}

// Acked says that a reader was told that its ack is stored.
func (l *Ledger) Acked(r Reader, at Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.placeLocked(at)
	p.acked = p.acked.With(r)
}

// Rejected says that a reader was told that its rejection is stored.
func (l *Ledger) Rejected(r Reader, at Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.placeLocked(at)
	p.rejected = p.rejected.With(r)
}

// Dead says that the broker lists an event among a reader's dead letters.
func (l *Ledger) Dead(r Reader, at Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.placeLocked(at)
	p.dead = p.dead.With(r)
}

func (l *Ledger) placeLocked(at Place) *place {
	p, ok := l.mu.places[at]
	if !ok {
		p = &place{at: at, event: -1}
		l.mu.places[at], l.mu.strays[at] = p, p
	}
	return p
}

// arrival finds the reader's arrivals of these bytes, or begins to count them.
func (p *place) arrival(r Reader, digest Digest) *arrival {
	for i := range p.arrivals {
		if p.arrivals[i].reader == r && p.arrivals[i].digest == digest {
			return &p.arrivals[i]
		}
	}
	p.arrivals = append(p.arrivals, arrival{reader: r, digest: digest})
	return &p.arrivals[len(p.arrivals)-1]
}

// InFlight counts, by partition, what arrived at a reader and has not been settled.
func (l *Ledger) InFlight() map[uint32]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := map[uint32]int{}
	for at, p := range l.mu.places {
		for i := range p.arrivals {
			if r := p.arrivals[i].reader; !p.acked.Has(r) && !p.rejected.Has(r) && !p.dead.Has(r) {
				open[at.Partition]++
			}
		}
	}
	return open
}

// Partitions are those that are known to have events.
func (l *Ledger) Partitions() map[uint32]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[uint32]bool{}
	for at := range l.mu.places {
		known[at.Partition] = true
	}
	return known
}
