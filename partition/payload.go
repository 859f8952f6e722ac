package partition

import (
	"errors"
	"fmt"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// locate returns the places of the blocks that hold a run's events, as they are now.
func (p *Partition) locate(id StreamID, r Run) (refs []blockRef) {
	p.replica.look(func(m *Machine) {
		st := m.streams[id]
		if st == nil {
			return
		}
		for i := st.blockAt(r.First); i < len(st.blocks) && st.blocks[i].first < r.end(); i++ {
			refs = append(refs, st.blocks[i])
		}
	})
	return refs
}

// load reads a block from the log. The bytes are the log's, and mustn't be changed.
func (p *Partition) load(ref *blockRef) (block.Block, error) {
	entry, err := p.group.Read(uint64(ref.index))
	if err != nil {
		return block.Block{}, fmt.Errorf("reading entry %d: %w", ref.index, err)
	}
	position := uint32(0)
	for raw, err := range sections(entry.Data) {
		if err != nil {
			return block.Block{}, fmt.Errorf("entry %d: %w", ref.index, err)
		}
		if position != ref.section {
			position++
			continue
		}
		if raw.kind != sectionBlock {
			return block.Block{}, fmt.Errorf("%w: section %d of entry %d is %v, expected a block", ErrCorrupt, position, ref.index, raw.kind)
		}
		sec, err := decodeBlock(raw.body)
		if err != nil {
			return block.Block{}, err
		}
		return block.Open(sec.Block)
	}
	return block.Block{}, fmt.Errorf("%w: entry %d has no section %d", ErrCorrupt, ref.index, ref.section)
}

// pack reads a grant's events and puts them together: frames all of whose events are granted go as they are, of
// others only the granted events are taken out. Events that are no longer there, since the lease was over and they were settled by another, are left out.
func (p *Partition) pack(g *Grant) (Delivery, error) {
	d := Delivery{Number: g.Delivery, Epoch: g.Epoch, Visibility: g.Visibility.duration()}
	pk := packer{p: p}
	for _, run := range g.Runs {
		for _, ref := range p.locate(g.Stream, run.Run) {
			from, to := max(ref.first, run.First), min(ref.end(), run.end())
			ok, err := pk.add(&ref, from, to)
			if err != nil {
				return Delivery{}, err
			}
			if ok {
				d.Runs = append(d.Runs, EventRun{runOf(from, to), run.Attempt})
			}
		}
	}
	var err error
	d.Blocks, err = pk.finish()
	return d, err
}

// packer gathers the chosen events of block after block.
type packer struct {
	p      *Partition
	ref    blockRef
	block  block.Block
	chosen []block.Run
	blocks [][]byte

	selector block.Selector
}

// add chooses events; false when the block is gone.
func (pk *packer) add(ref *blockRef, from, to Offset) (bool, error) {
	if len(pk.chosen) == 0 || pk.ref.first != ref.first {
		if err := pk.flush(); err != nil {
			return false, err
		}
		b, err := pk.p.load(ref)
		switch {
		case errors.Is(err, raftlog.ErrNotRetained):
			return false, nil
		case err != nil:
			return false, err
		}
		pk.ref, pk.block = *ref, b
	}
	pk.chosen = append(pk.chosen, block.Run{From: int(from - ref.first), To: int(to - ref.first)})
	return true, nil
}

func (pk *packer) flush() error {
	if len(pk.chosen) == 0 {
		return nil
	}
	out, err := pk.selector.Select(nil, &pk.block, pk.chosen)
	if err != nil {
		return fmt.Errorf("packing events of entry %d: %w", pk.ref.index, err)
	}
	pk.blocks = append(pk.blocks, out)
	pk.chosen = pk.chosen[:0]
	return nil
}

func (pk *packer) finish() ([][]byte, error) {
	err := pk.flush()
	return pk.blocks, err
}
