package matcher

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// valueKind is one way of looking for checks by a value at a node.
type valueKind uint8

const (
	byText       valueKind = iota + 1 // a string
	byNumber                          // a comparable number
	byNumberText                      // a number that is not, by its text
	byLiteral                         // null, false or true
	byPrefix                          // how a string begins
	bySuffix                          // how it ends
	byFold                            // a string in any case
	byPrefixFold                      // how it begins, likewise
	bySuffixFold                      // how it ends, likewise
	byPart                            // what is somewhere within it
	byAddress                         // the first bits of an address
	byRange                           // an interval that a number lies in; these are not in the index
	byPresence                        // any value at the node
	byAbsence                         // no value at the node
)

// Ways of looking that are tried together.
const (
	exactWays = 1<<byText | 1<<byNumber | 1<<byNumberText | 1<<byLiteral
	foldWays  = 1<<byFold | 1<<byPrefixFold | 1<<bySuffixFold
	textWays  = 1<<byPrefix | 1<<bySuffix | foldWays | 1<<byPart | 1<<byAddress
)

// valueKinds says which ways of looking there are at a node, so that only those are tried.
type valueKinds struct {
	ways uint32 // a bit for each valueKind
	// parts has a bit for each length of byPart in use.
	parts uint32
	// affixes are the lengths of prefixes and suffixes in use, in ascending order, by affixSet; nil for none.
	affixes *affixes
	// blocks has a bit for each length of address blocks in use, counted in 128 bits.
	blocks [3]uint64
	// ranges are the intervals of byRange.
	ranges *interval
}

func (k *valueKinds) has(way valueKind) bool { return k.ways>>way&1 != 0 }

// affixes never changes; valueKinds get another.
type affixes [4][]uint16

// affixSet is the place in affixes.
func affixSet(way valueKind) int {
	switch way {
	case byPrefix:
		return 0
	case bySuffix:
		return 1
	case byPrefixFold:
		return 2
	default:
		return 3
	}
}

// set notes that something is filed in a way.
func (k *valueKinds) set(f filing) {
	k.ways |= 1 << f.way
	switch f.way {
	case byPrefix, bySuffix, byPrefixFold, bySuffixFold:
		var changed affixes
		if k.affixes != nil {
			changed = *k.affixes
		}
		lengths := &changed[affixSet(f.way)]
		at, _ := slices.BinarySearch(*lengths, f.length)
		*lengths = slices.Concat((*lengths)[:at], []uint16{f.length}, (*lengths)[at:])
		k.affixes = &changed
	case byPart:
		k.parts |= 1 << f.length
	case byAddress:
		k.blocks[f.length/64] |= 1 << (f.length % 64)
	default:
	}
}

// unset notes that nothing is filed in a way any more, with that length.
func (k *valueKinds) unset(f filing) {
	more := false
	switch f.way {
	case byPrefix, bySuffix, byPrefixFold, bySuffixFold:
		changed := *k.affixes
		lengths := &changed[affixSet(f.way)]
		at, _ := slices.BinarySearch(*lengths, f.length)
		*lengths = slices.Concat((*lengths)[:at], (*lengths)[at+1:])
		k.affixes = &changed
		more = len(*lengths) > 0
	case byPart:
		k.parts &^= 1 << f.length
		more = k.parts != 0
	case byAddress:
		k.blocks[f.length/64] &^= 1 << (f.length % 64)
		more = k.blocks != [3]uint64{}
	default:
	}
	if !more {
		k.ways &^= 1 << f.way
	}
}

// filing is a place where values look for a check.
type filing struct {
	way    valueKind
	length uint16 // of a prefix, suffix or part, in bytes; of a block of addresses, in bits
	hash   uint32 // in the index
	// lower and upper are the ends of byRange.
	lower, upper float64
}

// newFiling is one in the index.
func newFiling(node uint32, way valueKind, length int, hash uint64) filing {
	return filing{way: way, length: uint16(length), hash: valueHash(node, way, length, hash)}
}

// userKey is for counting the filings of each way and length at each node.
func (f filing) userKey(node uint32) uint64 {
	return uint64(node)<<32 | uint64(f.way)<<16 | uint64(f.length)
}

// valueHash is where in the index a value is looked up.
func valueHash(node uint32, way valueKind, length int, hash uint64) uint32 {
	return uint32(multiply(hash^(uint64(node)<<32|uint64(way)<<16|uint64(length)), hashKeyA|1))
}

// How undiscerning ways of looking are: in the number of branches that it may be worth to look at instead. What says next to nothing
// comes after everything else, however many branches that is.
const (
	costExact   = 1
	costLong    = 60
	costShort   = 100
	costRange   = 200
	costLiteral = 1 << 20
	costAny     = 1 << 28
	costAbsence = 1 << 29
)

// costOf says how undiscerning the filing of an alternative is.
func costOf(a alternative) int {
	switch a := a.(type) {
	case exactText, exactly, exactNumber, equalTo, sameAddress, equalFold:
		return costExact
	case literal:
		return costLiteral
	case prefix:
		return costOfAffix(len(a))
	case suffix:
		return costOfAffix(len(a))
	case prefixFold:
		return costOfAffix(len(a.text))
	case suffixFold:
		return costOfAffix(len(a.text))
	case wildcard:
		longest := 0
		for _, piece := range a.pieces {
			longest = max(longest, len(piece))
		}
		return costOfAffix(longest)
	case block:
		return costShort
	case between:
		return costRange
	case absent:
		return costAbsence
	default:
		return costAny
	}
}

func costOfAffix(length int) int {
	switch {
	case length == 0:
		return costAny
	case length <= 4:
		return costShort
	default:
		return costLong
	}
}

// appendFilings lists in how many ways a value that fits an alternative leads to it, the best first, at least one. An alternative is
// filed in one of them.
func appendFilings(options []filing, node uint32, a alternative) []filing {
	switch a := a.(type) {
	case exactText:
		return append(options, newFiling(node, byText, 0, hashText(string(a))))
	case exactly:
		return append(options, newFiling(node, byText, 0, hashText(string(a.exactText))))
	case exactNumber:
		if !a.number.comparable {
			return append(options, newFiling(node, byNumberText, 0, hashText(a.text)))
		}
		return append(options, newFiling(node, byNumber, 0, hashDouble(a.number.double)))
	case equalTo:
		return append(options, newFiling(node, byNumber, 0, hashDouble(a.double)))
	case literal:
		return append(options, newFiling(node, byLiteral, 0, uint64(a)))
	case prefix:
		options = appendAffix(options, node, byPrefix, string(a))
	case suffix:
		options = appendAffix(options, node, bySuffix, string(a))
	case wildcard:
		options = appendWildcard(options, node, a)
	case equalFold:
		return append(options, newFiling(node, byFold, 0, hashText(canonical(a.text))))
	case prefixFold:
		options = appendAffix(options, node, byPrefixFold, canonical(a.text))
	case suffixFold:
		options = appendAffix(options, node, bySuffixFold, canonical(a.text))
	case sameAddress:
		return append(options, addressFiling(node, netip.PrefixFrom(a.address, a.address.BitLen())))
	case block:
		return append(options, addressFiling(node, a.prefix))
	case between:
		lower, upper := a.ends()
		return append(options, filing{way: byRange, lower: lower, upper: upper})
	case absent:
		return append(options, newFiling(node, byAbsence, 0, 0))
	default:
	}
	if len(options) == 0 {
		options = append(options, newFiling(node, byPresence, 0, 0))
	}
	return options
}

// hashDouble hashes a comparable number. Zero has one sign among them.
func hashDouble(double float64) uint64 {
	return multiply(math.Float64bits(double+0)^hashKeyA, hashKeyB)
}

// addressFiling files a block of addresses under its first bits.
func addressFiling(node uint32, p netip.Prefix) filing {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return newFiling(node, byAddress, bits, hashAddress(p.Addr().As16(), bits))
}

// hashAddress hashes the first bits of an address, IPv4 being counted as what it is in IPv6.
func hashAddress(address [16]byte, bits int) uint64 {
	high, low := binary.BigEndian.Uint64(address[:8]), binary.BigEndian.Uint64(address[8:])
	if bits < 64 {
		high, low = high&^(math.MaxUint64>>bits), 0
	} else {
		low &^= math.MaxUint64 >> (bits - 64)
	}
	return multiply(high^hashKeyA, low^hashKeyB)
}
