package partition

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/google/btree"

	"github.com/freshet-mq/freshet/raftlog"
)

// Keeper keeps records beside the checkpoint of one partition's replica: partition/store does. They are part of what the next reader of the checkpoint
// finds, so that a replica which is restored from it, here or on another node, has them.
type Keeper interface {
	// Covered returns the entry that the checkpoint stands for which is durable now; 0 when there is none.
	Covered() (uint64, error)
	// Keep makes records durable. They stay until a checkpoint says that they are gone, or is a whole one without them.
	Keep(records []raftlog.Record) error
	// Kept returns a record's value; false when there is no such record.
	Kept(key []byte) (value []byte, found bool, err error)
}

// copies knows which of the events that are aside (aside.go) this replica has copies of.
//
//	            machine: aside               read from the log, Keep             machine: gone              a checkpoint says so
//	(nothing) -----------------> todo ------------------------------> kept ---------------------> going -------------------> (nothing)
//	                              ^  holds the log                      |
//	                              +--------- state replaced ------------+
//
// A copy is made beside the checkpoint, at once, and removed with one: so whoever restores a checkpoint has the copies of what is aside in
// it, also when it was settled later. What is copied while a checkpoint is on its way that removes copies, or replaces all of it, could go with
// it. So nothing is copied until that checkpoint is durable (barred), and what was being copied meanwhile is done again (epoch).
//
// Bounds: what is aside, AsideEventsMax, and as much again that is going.
type copies struct {
	keeper Keeper // nil: none is made
	// changed has a value when there may be something to do.
	changed chan struct{}

	mu struct {
		sync.Mutex
		wanted map[copyKey]AsideChange
		todo   *btree.BTreeG[copyTodo]
		kept   map[copyKey]struct{}
		going  map[copyKey]struct{}
		// barred until a later checkpoint than this one is durable; 0: it isn't.
		barred uint64
		// epoch counts how often the state beside which copies are kept was replaced.
		epoch uint64
	}
}

// copyKey names an event.
type copyKey struct {
	stream StreamID
	offset Offset
}

func (k copyKey) record() []byte {
	b := appendRecordKey(nil, recordCopy, uint64(k.stream))
	return binary.BigEndian.AppendUint64(b, uint64(k.offset))
}

func compareCopies(a, b copyKey) int {
	return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.offset, b.offset))
}

// copyTodo is an event that isn't copied yet, in the order of the log.
type copyTodo struct {
	index Index
	copyKey
}

func todoLess(a, b copyTodo) bool {
	return a.index < b.index || a.index == b.index && compareCopies(a.copyKey, b.copyKey) < 0
}

func newCopies(keeper Keeper) *copies {
	c := &copies{keeper: keeper, changed: make(chan struct{}, 1)}
	c.mu.wanted = map[copyKey]AsideChange{}
	c.mu.todo = btree.NewG(btreeDegree, todoLess)
	c.mu.kept, c.mu.going = map[copyKey]struct{}{}, map[copyKey]struct{}{}
	return c
}

func (c *copies) poke() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// note takes in what an entry changed. The machine's lock is held, so that whoever looks into the machine afterwards finds it here.
func (c *copies) note(fx *Effects) {
	if len(fx.Aside) > 0 {
		c.mu.Lock()
		for _, change := range fx.Aside {
			c.noteLocked(change)
		}
		c.mu.Unlock()
	}
	if len(fx.Aside) > 0 || fx.Index%retainEvery == 0 || fx.Weighed {
		c.poke()
	}
}

func (c *copies) noteLocked(change AsideChange) {
	k := copyKey{change.Stream, change.Offset}
	_, kept := c.mu.kept[k]
	if change.Gone {
		c.mu.todo.Delete(copyTodo{c.mu.wanted[k].Index, k})
		delete(c.mu.wanted, k)
		if kept {
			c.mu.going[k] = struct{}{}
		}
		return
	}
	c.mu.wanted[k] = change
	delete(c.mu.going, k)
	if !kept {
		c.mu.todo.ReplaceOrInsert(copyTodo{change.Index, k})
	}
}

// checkpoint adds to a checkpoint's records which copies are gone; to a whole one, all that there are.
func (c *copies) checkpoint(records []raftlog.Record, whole bool) (_ []raftlog.Record, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keeper == nil || !whole && len(c.mu.going) == 0 {
		return records, nil
	}
	if c.mu.barred, err = c.keeper.Covered(); err != nil {
		return nil, err
	}
	if !whole {
		for _, k := range slices.SortedFunc(maps.Keys(c.mu.going), compareCopies) {
			records = append(records, raftlog.Record{Key: k.record()})
			delete(c.mu.kept, k)
		}
		clear(c.mu.going)
		return records, nil
	}
	// The first one, or one after a failure: seldom enough to read the copies here.
	for _, k := range slices.SortedFunc(maps.Keys(c.mu.kept), compareCopies) {
		if _, gone := c.mu.going[k]; gone {
			delete(c.mu.kept, k)
			continue
		}
		value, found, err := c.keeper.Kept(k.record())
		if err != nil {
			return nil, fmt.Errorf("reading the copy of offset %d of stream %d: %w", k.offset, k.stream, err)
		}
		if !found {
			return nil, fmt.Errorf("%w: the copy of offset %d of stream %d is gone", ErrCorrupt, k.offset, k.stream)
		}
		records = append(records, raftlog.Record{Key: k.record(), Value: value})
	}
	clear(c.mu.going)
	c.mu.epoch++
	return records, nil
}

// withoutCopies passes a checkpoint's records on, but for the copies, of which it notes the keys.
func withoutCopies(records iter.Seq2[raftlog.Record, error], copied *[]copyKey) iter.Seq2[raftlog.Record, error] {
	return func(yield func(raftlog.Record, error) bool) {
		for r, err := range records {
			if err == nil && len(r.Key) == 1+8+8 && recordKind(r.Key[0]) == recordCopy {
				*copied = append(*copied, copyKey{
					StreamID(binary.BigEndian.Uint64(r.Key[1:])), Offset(binary.BigEndian.Uint64(r.Key[1+8:])),
				})
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// restore begins anew from a restored state, and the copies that were found beside it.
func (c *copies) restore(m *Machine, copied []copyKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.mu.wanted)
	clear(c.mu.kept)
	clear(c.mu.going)
	c.mu.todo.Clear(false)
	c.mu.barred = 0
	c.mu.epoch++
	for _, k := range copied {
		c.mu.kept[k], c.mu.going[k] = struct{}{}, struct{}{}
	}
	for _, st := range m.streamOrder {
		st.eachAside(func(a *aside) {
			c.noteLocked(AsideChange{Stream: st.id, Offset: a.offset, First: a.first, Index: a.index, Section: a.section})
		})
	}
	c.poke()
}

// lowest returns the entry from which on the log is needed for copies that are yet to be made.
func (c *copies) lowest() Index {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.mu.todo.Min(); ok {
		return t.index
	}
	return math.MaxUint64
}

// holding returns the first event that is yet to be copied.
func (c *copies) holding() (k copyKey, index Index, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.mu.todo.Min()
	return t.copyKey, t.index, ok
}

// next returns events to be copied, in the order of the log, at most so many; and in which epoch. None while copying is barred, which is to
// be asked again.
func (c *copies) next(limit int) (list []AsideChange, epoch uint64, barred bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keeper == nil || c.mu.todo.Len() == 0 {
		return nil, 0, false, nil
	}
	covered, err := c.keeper.Covered()
	if err != nil {
		return nil, 0, false, err
	}
	if covered == 0 || covered == c.mu.barred {
		return nil, 0, true, nil
	}
	c.mu.barred = 0
	c.mu.todo.Ascend(func(t copyTodo) bool {
		list = append(list, c.mu.wanted[t.copyKey])
		return len(list) < limit
	})
	return list, c.mu.epoch, false, nil
}

// done says that copies are durable, made in an epoch.
func (c *copies) done(list []AsideChange, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.mu.epoch {
		return // they may be gone with what they were beside
	}
	for _, change := range list {
		k := copyKey{change.Stream, change.Offset}
		c.mu.kept[k] = struct{}{}
		c.mu.todo.Delete(copyTodo{change.Index, k})
		if _, wanted := c.mu.wanted[k]; !wanted {
			c.mu.going[k] = struct{}{}
		}
	}
}

// find returns where an event that is aside is, and its copy if this replica has one.
func (c *copies) find(k copyKey) (at AsideChange, copied []byte, ok bool, err error) {
	c.mu.Lock()
	at, ok = c.mu.wanted[k]
	_, kept := c.mu.kept[k]
	c.mu.Unlock()
	if ok && kept {
		var found bool
		if copied, found, err = c.keeper.Kept(k.record()); err == nil && !found {
			copied = nil // settled since, and a checkpoint has removed it
		}
	}
	return at, copied, ok, err
}

// asideHolder returns the first cursor that has an event aside.
func (m *Machine) asideHolder(k copyKey) *cursor {
	st := m.streams[k.stream]
	if st == nil {
		return nil
	}
	for _, sub := range st.subscriptions {
		for _, c := range sub.cursors {
			if c.aside.Contains(uint64(k.offset)) {
				return c
			}
		}
	}
	return nil
}
