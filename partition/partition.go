package partition

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/freshet-mq/freshet/raftlog"
)

// Bounds of what may wait on a leader. Beyond them callers wait, until their contexts end.
const (
	// publishingBytesMax is how many bytes of blocks wait or are on their way.
	publishingBytesMax = 64 << 20
	// commandOverhead is what a waiting command is counted with beside its bytes.
	commandOverhead = 512
	// queueLen is the length of each lane's queue.
	queueLen = 4_096
	// entriesInFlight and entryBytes bound what is proposed and not yet applied: 8 entries of 256 KiB and one block more. Larger entries only
	// add latency.
	entriesInFlight = 8
	entryBytes      = 256 << 10
	// controlBytes bounds what the control lane puts into one entry.
	controlBytes = 4 << 20
	// publishAtPercent of the log's size is where publishing is refused, so that acks, sessions and elections still have room.
	publishAtPercent = 90
)

// Partition is a replica, and while it leads, all that stands around the machine.
//
// Goroutines, all joined by Close: the proposer (proposer.go) seals what waits into entries while the replica leads, and refuses it
// otherwise; the carrier (carrier.go) takes their effects in the order of the log; one for each attachment (attachment.go) sends deliveries; the
// reclaimer (retain.go) makes room in the log, the copier (copier.go) copies out of it what nobody may look at for long; while the replica leads, two fillers (filler.go) read the log for far cursors, joined by the proposer.
//
// Locks: replica.mu guards the machine; attachments.mu the attachments; ready.mu and appended.mu those who wait, topology.mu and leadership
// those who watch. None is held while another is taken, but for appended.mu and topology.mu inside of replica.mu. handing is held by whoever
// waits for room in a lane, attaching by one of those.
type Partition struct {
	options Options
	replica *replica
	group   *raftlog.Group
	// entries are the group's, where they are read.
	entries entryReader

	// shares of an entry, as large as the log takes them.
	shares       shares
	controls     chan *command
	publications chan *command
	publishing   *semaphore.Weighted
	inFlight     chan struct{}
	carrying     chan sealed
	landed       landed
	queued       queued
	// flying is how many bytes are proposed and not yet applied.
	flying atomic.Int64

	// handing is held for reading by those who put commands into lanes, so that Close knows when the last has.
	handing sync.RWMutex
	// attaching has a value while somebody attaches, so that attachments come into being in the order of the log.
	attaching chan struct{}

	// schedule holds the latest news of the machine's clock and next deadline for the proposer.
	schedule chan schedule
	// reclaims asks for checkpoints that make room in the log.
	reclaims chan struct{}
	// resync tells the proposer that its picture of the subscriptions may be wrong.
	resync atomic.Bool

	attachments attachments
	ready       waiters[CursorID]
	appended    waiters[StreamID]
	places      places
	opened      opened
	filler      filler

	// connection numbers start at a random place, so that they don't return after a restart.
	connection atomic.Uint64

	// leadership is whether commands are taken on (leader.go).
	leading    atomic.Bool
	leadership struct {
		sync.Mutex
		in, out chan struct{} // closed while the replica leads, and while it doesn't
	}
	topology topology

	closing   chan struct{}
	closeOnce sync.Once
	stop      context.CancelFunc
	joined    sync.WaitGroup
}

// GroupOf is the number of a partition's group. Number 0 stands for no group, and the first partition is 0.
func GroupOf(partition uint32) raftlog.GroupNumber { return raftlog.GroupNumber(partition + 1) }

// Open starts a replica from what the log holds of it. Until it leads, and whenever another does, commands are answered with ErrUnavailable.
func Open(o Options) (*Partition, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p := &Partition{
		options:      o,
		controls:     make(chan *command, queueLen),
		publications: make(chan *command, queueLen),
		publishing:   semaphore.NewWeighted(publishingBytesMax),
		inFlight:     make(chan struct{}, entriesInFlight),
		carrying:     make(chan sealed, entriesInFlight),
		landed:       landed{changed: make(chan struct{}, 1)},
		queued:       queued{reached: make(chan struct{}, 1)},
		attaching:    make(chan struct{}, 1),
		schedule:     make(chan schedule, 1),
		reclaims:     make(chan struct{}, 1),
		closing:      make(chan struct{}),
	}
	p.replica = newReplica(&o, p.told)
	p.leadership.in, p.leadership.out = make(chan struct{}), make(chan struct{})
	close(p.leadership.out)
	p.topology.init()
	p.attachments.init()
	p.ready.init()
	p.appended.init()
	p.places.init()
	p.filler.init()
	var seed [8]byte
	rand.Read(seed[:])
	p.connection.Store(binary.LittleEndian.Uint64(seed[:]) >> 8)

	group, err := o.Log.Start(raftlog.GroupOptions{
		ID:      GroupOf(o.Number),
		Name:    fmt.Sprintf("p%d", o.Number),
		Machine: p.replica,
		Members: o.Members,
		// Who has nothing to do any more learns only so that the others need the room.
		ReleaseWanted: p.askToReclaim,
	})
	if err != nil {
		return nil, fmt.Errorf("partition %d: %w", o.Number, err)
	}
	p.entries = group
	if o.reading != nil {
		p.entries = o.reading(group)
	}
	p.group, p.shares = group, sharesOf(group.EntryBytesMax())
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // the replica's own life, which Close ends
	p.stop = stop
	p.goNamed("proposer", stagePropose, func() { p.propose(ctx) })
	p.goNamed("carrier", stageCarry, func() { p.carry(ctx) })
	p.goNamed("reclaimer", stageKeep, func() { p.reclaim(ctx) })
	p.goNamed("copier", stageKeep, func() { p.copyAside(ctx) })
	return p, nil
}

// Close ends the replica. Commands that are on their way end with ErrOutcomeUnknown, attachments with ErrUnavailable.
func (p *Partition) Close() error {
	p.closeOnce.Do(func() {
		close(p.closing)
		p.stop()
	})
	p.attachments.endAll(ErrUnavailable, true)
	err := p.group.Close()
	p.joined.Wait()
	p.handing.Lock() // whoever comes later sees that it is closing
	defer p.handing.Unlock()
	p.refuseWaiting()
	return err
}

// now reads the partition's clock source.
func (p *Partition) now() time.Time { return p.options.Clock.Now() }
