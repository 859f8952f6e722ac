package partition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/matcher"
)

// command is something that waits to be a section of an entry.
type command struct {
	section section
	// publication is set for a block, which is matched when its entry is sealed.
	publication *publication
	// weight is what it counts for while it waits (queued).
	weight int64
	// done is called once, by the carrier, in the order of the log; or by whoever finds that it can't be proposed.
	done func(Result, error)
}

// publication is a block on its way.
type publication struct {
	Publication
	taken time.Time // when it was taken on
	// matched is what was found, when the publisher asked.
	matched []Matched
}

// control hands a command to the proposer and waits for its result. The lane of control commands is apart from that of
// publishing, so that acks and sessions get through however much is published.
func (p *Partition) control(ctx context.Context, s section) (Result, error) {
	answered, err := p.handControl(ctx, s)
	if err != nil {
		return Result{}, err
	}
	return await(ctx, answered)
}

// answer is what became of a control command.
type answer struct {
	res Result
	err error
}

// handControl hands a control command to the proposer. The channel gets its answer.
func (p *Partition) handControl(ctx context.Context, s section) (<-chan answer, error) {
	if err := readable(s); err != nil {
		return nil, err
	}
	answered := make(chan answer, 1)
	c := &command{section: s, done: func(res Result, err error) { answered <- answer{res, err} }}
	return answered, p.hand(ctx, p.controls, c)
}

// hand puts a command into a lane. Once it has, the command's done is called, whatever happens.
func (p *Partition) hand(ctx context.Context, lane chan<- *command, c *command) error {
	p.handing.RLock()
	defer p.handing.RUnlock()
	select { // a select between room and the end would choose either
	case <-p.closing:
		return ErrUnavailable
	default:
	}
	if !p.leading.Load() {
		return ErrUnavailable
	}
	c.weight = c.bytes()
	select {
	case lane <- c:
	default:
		select {
		case lane <- c:
		case <-ctx.Done():
			return errors.Join(ErrBusy, ctx.Err())
		case <-p.closing:
			return ErrUnavailable
		}
	}
	p.queued.add(c) // whom that wakes finds it there; it may even be gone by now
	return nil
}

// await waits for the answer to a control command.
func await(ctx context.Context, answered <-chan answer) (Result, error) {
	select {
	case a := <-answered:
		if a.err == nil && a.res.Refused != Done {
			return a.res, &RefusedError{a.res.Refused, a.res.Sequence}
		}
		return a.res, a.err
	case <-ctx.Done():
		return Result{}, errors.Join(ErrOutcomeUnknown, ctx.Err())
	}
}

// Publication is a block to be stored. The caller has verified it: its checksums hold and its events are within their limits.
type Publication struct {
	Stream StreamID
	// Block in the format of proto/block. It mustn't change until the publication is answered.
	Block []byte
	// ReportMatches asks for what matched.
	ReportMatches bool
}

// Published says where a block's events are.
type Published struct {
	First Offset
	Count uint32
	// Duplicate: the block was stored before, and this is where.
	Duplicate bool
	// Repeats are its events that repeat one stored before, by their dedup ids, ascending: nobody gets them, and their place is that one's.
	Repeats []Repeat
	// Matched, if asked for, by ascending subscription. Empty for a duplicate.
	Matched []Matched
}

// Matched says which events of a block a subscription gets.
type Matched struct {
	Subscription SubscriptionID
	// Events are positions in the block, ascending.
	Events []uint32
}

// Publish stores a block and returns when it is on disk on a majority and applied. Errors: *LogFullError, ErrBusy (the context
// ended before there was room), ErrUnavailable, *RefusedError, and ErrOutcomeUnknown.
func (p *Partition) Publish(ctx context.Context, pub Publication) (Published, error) {
	type answer struct {
		published Published
		err       error
	}
	answered := make(chan answer, 1)
	if err := p.PublishAsync(ctx, pub, func(published Published, err error) { answered <- answer{published, err} }); err != nil {
		return Published{}, err
	}
	select {
	case a := <-answered:
		return a.published, a.err
	case <-ctx.Done():
		return Published{}, errors.Join(ErrOutcomeUnknown, ctx.Err())
	}
}

// PublishAsync is Publish without the wait: it returns once the block is taken on, and calls done once with the answer, on a goroutine
// that mustn't be held up. Blocks that one goroutine hands over are stored in that order. When it returns an error, done isn't called.
func (p *Partition) PublishAsync(ctx context.Context, pub Publication, done func(Published, error)) error {
	if !p.leading.Load() {
		return ErrUnavailable
	}
	if len(pub.Block) > p.shares.block {
		return &BlockTooLargeError{Bytes: len(pub.Block), Limit: p.shares.block}
	}
	if err := p.roomInLog(); err != nil {
		return err
	}
	weight := min(int64(len(pub.Block))+commandOverhead, publishingBytesMax)
	if err := p.publishing.Acquire(ctx, weight); err != nil {
		return errors.Join(ErrBusy, err)
	}
	on := &publication{Publication: pub, taken: p.now()}
	c := &command{publication: on, done: func(res Result, err error) {
		p.publishing.Release(weight)
		switch {
		case err != nil:
			done(Published{}, err)
		case res.Refused == RefusedSetVersion, res.Refused == RefusedUnchecked:
			// Things changed under a leader that was just elected: nothing was stored, and the next attempt is matched anew.
			done(Published{}, fmt.Errorf("%w: the block was matched against what has changed since (%v)", ErrUnavailable, res.Refused))
		case res.Refused != Done:
			done(Published{}, &RefusedError{res.Refused, res.Sequence})
		default:
			done(Published{First: res.First, Count: res.Count, Duplicate: res.Duplicate, Repeats: res.Repeats, Matched: on.reported(res)}, nil)
		}
	}}
	if err := p.hand(ctx, p.publications, c); err != nil {
		p.publishing.Release(weight)
		return err
	}
	return nil
}

func (on *publication) reported(res Result) []Matched {
	if res.Duplicate {
		return nil
	}
	if len(res.Repeats) == 0 {
		return on.matched
	}
	matched := on.matched[:0]
	for _, m := range on.matched { // a repeat has matched before
		m.Events = slices.DeleteFunc(m.Events, func(event uint32) bool {
			return slices.ContainsFunc(res.Repeats, func(r Repeat) bool { return r.Event == event })
		})
		if len(m.Events) > 0 {
			matched = append(matched, m)
		}
	}
	return matched
}

// PutStream makes a stream, if it isn't there.
func (p *Partition) PutStream(ctx context.Context, id StreamID) error {
	_, err := p.control(ctx, streamSection{Stream: id})
	return err
}

// SetRetention says how long a stream's events are kept beside what is always so (Retention), and makes the stream if it isn't there. It holds from the next entries on, for what is
// stored already as well.
func (p *Partition) SetRetention(ctx context.Context, id StreamID, r Retention) error {
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := p.control(ctx, streamSection{Stream: id, Retention: &r})
	return err
}

// PutSubscription makes a subscription or changes it. Once it has returned, whatever is published is routed by it. A pattern that isn't valid is
// answered with a *matcher.PatternError.
func (p *Partition) PutSubscription(ctx context.Context, c SubscriptionConfig) error {
	if c.Pattern != "" { // checked here, where it costs the caller alone, and not for the first time by the proposer
		if _, err := matcher.Parse([]byte(c.Pattern)); err != nil {
			return err
		}
	}
	_, err := p.control(ctx, subscriptionSection{c})
	return err
}

// RemoveStream removes a stream with its subscriptions and all that they hold. Publishers, consumers and readers are told. What isn't
// there is removed already. Once it has returned nothing is kept for it; its memory is freed little by little.
func (p *Partition) RemoveStream(ctx context.Context, id StreamID) error {
	_, err := p.control(ctx, removeSection{Stream: id})
	return err
}

// RemoveSubscription removes a subscription with all that it holds, its dead letters too, as RemoveStream does. Once it has returned,
// nothing that is published is matched against it.
func (p *Partition) RemoveSubscription(ctx context.Context, stream StreamID, id SubscriptionID) error {
	if id == 0 { // would stand for the whole stream
		return &RefusedError{Refusal: RefusedSubscription}
	}
	_, err := p.control(ctx, removeSection{Stream: stream, Subscription: id})
	return err
}

// RemoveMember removes a member of a fan-out with all that it holds. Should its consumer come again, it is a new member.
func (p *Partition) RemoveMember(ctx context.Context, stream StreamID, id CursorID) error {
	if id.Subscription == 0 || id.Member == "" {
		return &RefusedError{Refusal: RefusedMember}
	}
	_, err := p.control(ctx, removeSection{Stream: stream, Subscription: id.Subscription, Member: id.Member})
	return err
}

// RaiseStateLevel says that every replica of the partition runs a release that knows a state level, at most StateLevel: entries may hold from now on
// what came with it. It is never lowered. A replica of an older release would stop.
func (p *Partition) RaiseStateLevel(ctx context.Context, level uint32) error {
	_, err := p.control(ctx, stateLevelSection{Level: level})
	return err
}

// TakeCommand leases events once.
type TakeCommand struct {
	Cursor CursorID
	// Events at most, 1 to ReceiptsMax.
	Events uint32
	// Bytes at most, but always one event.
	Bytes uint64
	// Visibility of the leases; 0: the subscription's.
	Visibility time.Duration
}

// Take leases what is ready now, perhaps nothing. What it leased is settled with Return, by cursor, offset and the delivery's epoch.
func (p *Partition) Take(ctx context.Context, t TakeCommand) (Delivery, error) {
	res, err := p.control(ctx, takeSection{
		Cursor: t.Cursor, Events: t.Events, Bytes: t.Bytes, Visibility: ticks(t.Visibility),
	})
	if err != nil {
		// Whoever was woken for the events and doesn't take them passes that on.
		p.ready.wake(t.Cursor, p.readyCount(t.Cursor))
		return Delivery{}, err
	}
	if len(res.Taken.Runs) == 0 {
		return Delivery{}, nil
	}
	began := p.now()
	d, stored, err := p.pack(&res.Taken)
	events, bytes := d.size()
	p.delivered(t.Cursor.Subscription, events, bytes, began, stored)
	return d, err
}

// Return settles taken events. It returns the positions of the receipts whose lease was over: nothing was done for those (P6).
func (p *Partition) Return(ctx context.Context, d Decision, receipts []Receipt) (lost []uint32, err error) {
	res, err := p.control(ctx, returnSection{Decision: d, Receipts: receipts})
	return res.LostReceipts, err
}

// ticks converts a duration to the partition clock's unit, rounding up.
func ticks(d time.Duration) Tick { return Tick((d + time.Millisecond - 1) / time.Millisecond) }

func (t Tick) duration() time.Duration { return time.Duration(t) * time.Millisecond }
