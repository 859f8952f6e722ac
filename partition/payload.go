package partition

import (
	"errors"
	"fmt"
	"sync"

	"github.com/freshet-mq/freshet/proto/block"
)

// pack reads a grant's events and puts them together: frames all of whose events are granted go as they are, of
// others only the granted events are taken out. Events that are no longer there, since the lease was over and they were settled by another, are left out.
// stored is when the first of them was stored, where that is known.
func (p *Partition) pack(g *Grant) (d Delivery, stored Wall, err error) {
	d = Delivery{Number: g.Delivery, Epoch: g.Epoch, Visibility: g.Visibility.duration(), TruncatedBefore: g.Truncated}
	pk, ok := packers.Get().(*packer)
	if !ok {
		// All that is read was checked when it came into memory: blocks where they were published, entries by the checksums of the connection or
		// the file that they came from.
		pk = &packer{selector: block.Selector{Verified: true, Pooled: true}}
		pk.selector.Inflated = pk.records
	}
	defer pk.free()
	pk.p, pk.stream = p, g.Stream
	d.Runs = make([]EventRun, 0, len(g.Runs))
	for _, run := range g.Runs {
		for at := run.First; at < run.end(); {
			to, there, err := pk.add(at, run.end())
			if err != nil {
				return Delivery{}, 0, err
			}
			if there {
				if stored == 0 {
					stored = pk.from.stored
				}
				d.Runs = append(d.Runs, run.part(at, to))
			}
			at = to
		}
	}
	d.Blocks, err = pk.finish()
	return d, stored, err
}

// packer gathers the chosen events of block after block.
type packer struct {
	p      *Partition
	stream StreamID
	from   *openBlock // nil: none yet
	chosen []block.Run
	blocks [][]byte

	selector block.Selector
	inflated []byte // of a frame that there was no room to keep
}

// packers keeps what packing needs besides, from delivery to delivery.
var packers sync.Pool

// free lets go of all that belongs to the delivery.
func (pk *packer) free() {
	pk.leave()
	pk.p, pk.stream, pk.chosen, pk.blocks = nil, 0, pk.chosen[:0], nil
	packers.Put(pk)
}

// leave lets go of the block that it was at.
func (pk *packer) leave() {
	if pk.from != nil {
		pk.p.opened.release(pk.from)
		pk.from = nil
	}
}

// records returns what a frame of the block that it is at inflates to.
func (pk *packer) records(_ *block.Block, frame int) (records []byte, err error) {
	records, pk.inflated, err = pk.p.opened.records(pk.from, frame, pk.inflated)
	return records, err
}

// add chooses the events from an offset up to another, or up to the end of the block that has the first; it returns up to where. They may be gone.
func (pk *packer) add(from, to Offset) (end Offset, there bool, err error) {
	if pk.from == nil || !pk.from.has(from) {
		if err := pk.flush(); err != nil {
			return 0, false, err
		}
		pk.leave()
		b, err := pk.p.open(pk.stream, runOf(from, to))
		switch {
		case errors.Is(err, errGone):
			return min(to, pk.p.afterGap(pk.stream, from)), false, nil
		case err != nil:
			return 0, false, err
		}
		pk.from = b
	}
	end = min(to, pk.from.end())
	pk.chosen = append(pk.chosen, block.Run{From: int(from - pk.from.first), To: int(end - pk.from.first)})
	return end, true, nil
}

func (pk *packer) flush() error {
	if len(pk.chosen) == 0 {
		return nil
	}
	out, err := pk.selector.Select(nil, &pk.from.block, pk.chosen)
	if err != nil {
		return fmt.Errorf("packing events of entry %d: %w", pk.from.index, err)
	}
	pk.blocks = append(pk.blocks, out)
	pk.chosen = pk.chosen[:0]
	return nil
}

func (pk *packer) finish() ([][]byte, error) {
	err := pk.flush()
	return pk.blocks, err
}
