package partition

import "time"

// Stage is a part of an event's way through the leader of its partition.
type Stage uint8

// The stages, in the order in which an event passes them.
const (
	StageWait    Stage = iota // a block waits for room in an entry, from when it was taken on
	StageMatch                // a block is matched against its stream's subscriptions
	StagePropose              // an entry is made of what waits, matching included, and handed to the log
	StageCommit               // an entry is appended, synced on a majority, and applied
	StageApply                // of that, the machine's own work; on followers too
	StageDeliver              // a grant's events are read, packed, and written to the consumer's connection
	StageAck                  // a consumer's word on its events, from when it comes until it is stored

	stagesEnd
)

// Stages is how many there are.
const Stages = int(stagesEnd)

func (s Stage) String() string {
	return [...]string{"wait", "match", "propose", "commit", "apply", "deliver", "ack"}[s]
}

// Observer is told what a partition does while it does it. Its methods are called from the goroutines that do the work, several at a time: they mustn't
// block, nor call the partition.
type Observer interface {
	// Took tells how long a stage took, for one block, entry, delivery or settle.
	Took(s Stage, d time.Duration)
	// Batch tells how much a stage took at once: StagePropose the commands of an entry, StageDeliver the events of a delivery, StageAck the deliveries that a
	// consumer's word names, and how many bytes that was; -1: it has none of its own.
	Batch(s Stage, items, bytes int)
	// Delivered tells how old a delivery's oldest event was when it was sent, since it was stored, by the leader's wall clock.
	Delivered(sub SubscriptionID, age time.Duration)
	// Applied tells that this replica applied an entry.
	Applied(t Trace)
}

// Trace is what applying an entry came to. Replicas that applied the same entries have the same (P9).
type Trace struct {
	Partition uint32
	Index     Index
	Term      Term
	// Effects is a hash over the effects of all entries so far.
	Effects uint64
}

// unobserved is the Observer that nobody asked for.
type unobserved struct{}

func (unobserved) Took(Stage, time.Duration)               {}
func (unobserved) Batch(Stage, int, int)                   {}
func (unobserved) Delivered(SubscriptionID, time.Duration) {}
func (unobserved) Applied(Trace)                           {}

// since tells the observer how long a stage took that began then.
func (p *Partition) since(s Stage, began time.Time) { p.options.Observer.Took(s, p.now().Sub(began)) }

// size is how many events a delivery has, and how many bytes.
func (d *Delivery) size() (events, bytes int) {
	for _, r := range d.Runs {
		events += int(r.Count)
	}
	for _, b := range d.Blocks {
		bytes += len(b)
	}
	return events, bytes
}

// delivered tells the observer of a delivery that began to be packed then, and whose first event was stored when stored says; 0: it isn't known.
func (p *Partition) delivered(sub SubscriptionID, events, bytes int, began time.Time, stored Wall) {
	p.since(StageDeliver, began)
	p.options.Observer.Batch(StageDeliver, events, bytes)
	if stored > 0 {
		p.options.Observer.Delivered(sub, time.Duration(max(Wall(began.UnixMilli())-stored, 0))*time.Millisecond)
	}
}
