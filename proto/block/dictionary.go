package block

import "encoding/binary"

// dictionary gives strings an index from 1 in the order in which they first come. 0 is for those that find no room.
type dictionary struct {
	indexes map[string]byte
	strings []byte
	ends    []byte // 2 bytes each, as in the header

	// The string before: events of one kind tend to come together, and comparing is a tenth of looking up.
	last      string
	lastIndex byte
}

func (d *dictionary) len() int { return len(d.ends) / dictionaryEndBytes }

func (d *dictionary) reset() {
	clear(d.indexes)
	d.strings, d.ends, d.last, d.lastIndex = d.strings[:0], d.ends[:0], "", 0
}

// index returns the index of s, which is not empty, and adds it if it is new and there is room.
func (d *dictionary) index(s string) byte {
	if s == d.last {
		return d.lastIndex
	}
	index, known := d.indexes[s]
	if !known {
		index = d.add(s)
	}
	d.last, d.lastIndex = s, index
	return index
}

// add adds s, and returns 0 if there is no room for it.
func (d *dictionary) add(s string) byte {
	if len(s) > DictionaryStringBytesMax || d.len() == DictionaryStringsMax {
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
