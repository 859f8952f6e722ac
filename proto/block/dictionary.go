package block

import (
	"encoding/binary"
	"slices"
)

// dictionary collects a column of strings: each gets an index from 1 in the order in which they first come, and events have
// the index. 0 is for those that have no string, or whose string finds no room.
//
// Events of one kind tend to come together, so the column is filled by runs of the same string. Per event there is only the
// comparison with the string before, which costs a tenth of a look-up.
type dictionary struct {
	indexes map[string]byte
	strings []byte
	ends    []byte // 2 bytes each, as in the header

	entries  []byte // up to where the current run began
	run      string // the string of the events since then
	runIndex byte
}

func (d *dictionary) len() int { return len(d.ends) / dictionaryEndBytes }

func (d *dictionary) reset() {
	clear(d.indexes)
	d.strings, d.ends, d.entries, d.run, d.runIndex = d.strings[:0], d.ends[:0], d.entries[:0], "", 0
}

// begin ends the current run and begins one of s, with the event that has events before it.
func (d *dictionary) begin(s string, events int) {
	d.fill(events)
	index, known := d.indexes[s]
	if !known {
		index = d.add(s)
	}
	d.run, d.runIndex = s, index
}

// fill brings entries up to that many events.
func (d *dictionary) fill(events int) {
	from := len(d.entries)
	d.entries = slices.Grow(d.entries, events-from)[:events]
	for i := from; i < events; i++ {
		d.entries[i] = d.runIndex
	}
}

// finish returns the column of so many events, empty if none has a string.
func (d *dictionary) finish(events int) []byte {
	if d.len() == 0 {
		return nil
	}
	d.fill(events)
	return d.entries
}

// add adds s, and returns 0 if there is no room for it or nothing to add.
func (d *dictionary) add(s string) byte {
	if s == "" || len(s) > DictionaryStringBytesMax || d.len() == DictionaryStringsMax {
		return 0
	}
	if d.indexes == nil {
		d.indexes = make(map[string]byte)
	}
	d.strings = append(d.strings, s...)
	d.ends = binary.LittleEndian.AppendUint16(d.ends, uint16(len(d.strings)))
	index := byte(d.len())
	d.indexes[s] = index
	return index
}

// dictionaryView reads a dictionary within a block.
type dictionaryView struct {
	ends    []byte
	strings []byte
}

func (d dictionaryView) len() int { return len(d.ends) / dictionaryEndBytes }

// end returns where string i, counted from 0, ends; that of -1 is 0.
func (d dictionaryView) end(i int) int {
	if i < 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(d.ends[i*dictionaryEndBytes:]))
}

// string returns the string of an index, nil for index 0.
func (d dictionaryView) string(index byte) []byte {
	if index == 0 {
		return nil
	}
	from, to := d.end(int(index)-2), d.end(int(index)-1)
	return d.strings[from:to:to]
}

// check checks that the strings follow each other in what they were given, and end with it.
func (d dictionaryView) check(name string) error {
	before := 0
	for i := range d.len() {
		end := d.end(i)
		if end <= before || end > len(d.strings) || end-before > DictionaryStringBytesMax {
			return corruptf("%s %d of %d goes from %d to %d in %d bytes", name, i, d.len(), before, end, len(d.strings))
		}
		before = end
	}
	if before != len(d.strings) {
		return corruptf("%s end at %d, their bytes at %d", name, before, len(d.strings))
	}
	return nil
}

// dictionarySelection is the part of a block's dictionary that some of its events use.
type dictionarySelection struct {
	indexes [1 + DictionaryStringsMax]byte // new index by old one
	olds    [1 + DictionaryStringsMax]byte // old index by new one
	count   int
	bytes   int // of the strings
}

// choose finds the strings that the segments of the column use, and gives them new indexes in the order of their use.
func (s *dictionarySelection) choose(d dictionaryView, column []byte, segments []segment) {
	*s = dictionarySelection{}
	if column == nil {
		return
	}
	for _, segment := range segments {
		for _, old := range column[segment.from:segment.to] {
			if old == 0 || s.indexes[old] != 0 {
				continue
			}
			s.count++
			s.indexes[old], s.olds[s.count] = byte(s.count), old
			s.bytes += len(d.string(old))
		}
	}
}

// translate writes the new indexes of the old ones.
func (s *dictionarySelection) translate(dst, olds []byte) {
	for i, old := range olds {
		dst[i] = s.indexes[old]
	}
}

// put writes the table of ends and the strings.
func (s *dictionarySelection) put(ends, strings []byte, d dictionaryView) {
	end := 0
	for index := 1; index <= s.count; index++ {
		end += copy(strings[end:], d.string(s.olds[index]))
		binary.LittleEndian.PutUint16(ends[(index-1)*dictionaryEndBytes:], uint16(end))
	}
}
