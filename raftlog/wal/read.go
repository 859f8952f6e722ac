package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
)

// GetLog implements raft.LogStore: whatever entry is physically there, also before FirstIndex, or stored ahead. The data must not be changed.
// While another node leads (Following) they may be looked at until the entry is Applied, else for as long as one likes.
func (g *Group) GetLog(index uint64, entry *raft.Log) error {
	if g.readAhead(index, entry) { // before it is looked for among the others, where it may be by then
		return nil
	}
	return g.read(index, entry, g.lending.Load(), g.headersOnly.Load())
}

// Read is GetLog for the group's owner: always with data, which must not be changed and may be kept. An entry that is not
// there is raft.ErrLogNotFound.
func (g *Group) Read(index uint64, entry *raft.Log) error {
	return g.read(index, entry, true, false)
}

func (g *Group) read(index uint64, entry *raft.Log, lend, headersOnly bool) error {
	g.mu.RLock()
	at, there := g.mu.index.find(index)
	if !there {
		g.mu.RUnlock()
		return raft.ErrLogNotFound
	}
	if headersOnly && raft.LogType(at.kind) != raft.LogConfiguration {
		g.mu.RUnlock()
		*entry = raft.Log{Index: index, Term: at.term, Type: raft.LogType(at.kind)}
		return nil
	}
	if g.kept.get(index, at.term, entry) {
		g.mu.RUnlock()
		g.log.counters.cacheHits.Add(1)
		return nil
	}
	// What is applied already is not read by whoever applies.
	if record := g.log.cache.get(at, lend || index <= g.applied.Load()); record != nil {
		g.mu.RUnlock()
		g.log.counters.cacheHits.Add(1)
		h := parseRecordHeader(record)
		payload := record[recordHeaderBytes:]
		fill(entry, &h, payload[:h.dataLength:h.dataLength], payload[h.dataLength:h.dataLength+h.extLength:h.dataLength+h.extLength])
		return nil
	}
	// A segment is closed after its entries have left the index.
	s := g.log.segments.find(at.segment)
	s.reading.RLock()
	g.mu.RUnlock()
	g.log.counters.cacheMisses.Add(1)
	h, data, extensions, err := g.readRecord(s, index, at)
	s.reading.RUnlock()
	switch {
	case errors.Is(err, ErrClosed):
		return err
	case err != nil:
		return g.log.fail(err)
	}
	fill(entry, &h, data, extensions)
	return nil
}

func fill(entry *raft.Log, h *recordHeader, data, extensions []byte) {
	*entry = raft.Log{Index: h.index, Term: h.term, Type: raft.LogType(h.entryType), AppendedAt: timeOf(h.appendedNanos)}
	if len(data) > 0 {
		entry.Data = data
	}
	if len(extensions) > 0 {
		entry.Extensions = extensions
	}
}

// readRecord reads an entry from its segment's file, whose lock is held. What is not what was written there is damage (R2, R3).
func (g *Group) readRecord(s *segment, index uint64, at location) (h recordHeader, data, extensions []byte, err error) {
	if s.file == nil {
		return h, nil, nil, ErrClosed
	}
	record := make([]byte, at.bytes)
	if _, err := s.file.ReadAt(record, int64(at.offset)); err != nil && !errors.Is(err, io.EOF) {
		return h, nil, nil, fmt.Errorf("wal: reading entry %d of group %d in %s: %w", index, g.id, s.path, err)
	}
	h, err = decodeRecordHeader(record, s.crcSeed)
	if err == nil {
		if h.kind != kindEntry || h.group != g.id || h.incarnation != g.incarnation || h.index != index || h.term != at.term || h.bytes() != int(at.bytes) {
			err = fmt.Errorf("%v of group %d.%d, index %d, term %d, %d bytes; expected entry of group %d.%d, index %d, term %d, %d bytes",
				h.kind, h.group, h.incarnation, h.index, h.term, h.bytes(), g.id, g.incarnation, index, at.term, at.bytes)
		} else {
			data, extensions, err = h.payload(record[recordHeaderBytes:])
		}
	}
	if err != nil {
		return h, nil, nil, corrupt(s.path, int64(at.offset), err)
	}
	return h, data, extensions, nil
}
