package matcher

import (
	"bytes"
	"encoding/binary"
)

// Events of a block are much alike: the tenth name of one is mostly the tenth name of the next. So the scanner notes the names of
// an event in their order, with the nodes that they lead to, and compares the next event's names with those before it reads them.
// A right guess saves looking for the name's end, for what is wrong with it, and for its node.

// What is noted: so many names of an event, up to so many bytes each with quotation marks and colon.
const (
	guessesMax    = 64
	guessBytesMax = 40
)

// guesses are the names of an event.
type guesses struct {
	names [guessesMax]guess
	next  int // which name of the event comes next
}

// guess is a name as it stands in the text, from quotation mark to colon.
type guess struct {
	around int32       // the node that the object is at, and 2, so that it is never 0; 0 where nothing is noted
	at     int32       // the node that the name leads to
	kinds  *valueKinds // of that node (trie.wantedAt)
	// words are the first sixteen bytes of the text, and masks say which of them count.
	words, masks [2]uint64
	length       int
	text         [guessBytesMax]byte
}

// forget is for another trie, where nodes are others.
func (g *guesses) forget() {
	for i := range g.names {
		g.names[i].around = 0
	}
	g.next = 0
}

// right returns the guess at what stands in a text, if it is right. Names that are left out in one event are stepped over.
func (g *guesses) right(b []byte, i int, from int32) *guess {
	first, second := binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(b[i+8:])
	for at := g.next; at < min(g.next+2, guessesMax); at++ {
		name := &g.names[at]
		if (first^name.words[0])&name.masks[0]|(second^name.words[1])&name.masks[1] != 0 || name.around != from+2 {
			continue
		}
		if name.length <= 16 || bytes.HasPrefix(b[i:], name.text[:name.length]) {
			g.next = at + 1
			return name
		}
	}
	return nil
}

// learn notes a name that was not guessed, given with its quotation marks.
func (g *guesses) learn(quoted []byte, from, at int32, kinds *valueKinds) {
	if g.next >= guessesMax || len(quoted) >= guessBytesMax {
		g.next++
		return
	}
	name := &g.names[g.next]
	name.around, name.at, name.kinds = from+2, at, kinds
	name.length = copy(name.text[:], quoted) + 1
	name.text[name.length-1] = ':'
	for i := range name.words {
		name.words[i] = binary.LittleEndian.Uint64(name.text[8*i:])
		name.masks[i] = ^uint64(0)
		if n := name.length - 8*i; n < 8 {
			name.masks[i] = 1<<(8*max(n, 0)) - 1
		}
	}
	g.next++
}
