package matcher

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strings"
)

// valueKind is one way of looking for rules by a value at a node.
type valueKind uint8

const (
	byNothing    valueKind = iota // rules that every event is put to
	byPresence                    // any value at the node
	byText                        // a string
	byNumber                      // a comparable number
	byNumberText                  // a number that is not, by its text
	byLiteral                     // null, false or true
	byPrefix                      // how a string begins
	bySuffix                      // how it ends
	byFold                        // a string in ASCII, in any case
	byPrefixFold                  // how it begins, likewise
	bySuffixFold                  // how it ends, likewise
	byPart                        // what is somewhere within it
	byAddress                     // the first bits of an address
	byRange                       // an interval that a number lies in; these are not in the index
	byGuard                       // a value that guards what is filed elsewhere; nor are these
)

// valueKinds says which ways of looking there are at a node, so that only those are tried.
type valueKinds struct {
	ways uint32 // a bit for each valueKind
	// rungs has a bit for each length of prefixes and suffixes in use, as ladder counts them: of byPrefix, bySuffix, byPrefixFold and
	// bySuffixFold.
	rungs [4]uint32
	// bits has a bit for each length of address blocks in use, counted in 128 bits.
	bits [3]uint64
	// ranges are the intervals of byRange.
	ranges *interval
}

func (k *valueKinds) has(way valueKind) bool { return k.ways>>way&1 != 0 }

// ladder holds the lengths under which prefixes and suffixes are filed: the longest that they reach, so that a value is looked up
// at no more than these, whatever the rules are. What is behind them is left to verification.
var ladder = [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024}

// rungOf returns the place of the longest length of the ladder that a text reaches; it has at least one byte.
func rungOf(n int) int {
	rung := 0
	for rung+1 < len(ladder) && ladder[rung+1] <= n {
		rung++
	}
	return rung
}

// rungSet is the place in valueKinds.rungs.
func rungSet(way valueKind) int {
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

// partBytes is how long the parts of wildcards are that byPart looks for.
const partBytes = 3

// filing is one place where a check's rules are filed.
type filing struct {
	way  valueKind
	rung uint8  // place in the ladder, or bits of an address
	hash uint64 // of the value
	// lower and upper are the ends of byRange.
	lower, upper float64
}

// valueHash is where in the index of postings a filing is.
func valueHash(node uint32, way valueKind, rung uint8, hash uint64) uint32 {
	return uint32(multiply(hash^(uint64(node)<<16|uint64(way)<<8|uint64(rung)), hashKeyA|1))
}

// filings lists the places to file a check under, such that no value that fits any of its alternatives misses all of them. cost is
// how undiscerning they are. A check that accepts absence has none.
func (c *check) filings(list []filing) (filings []filing, cost int) {
	for _, a := range c.alternatives {
		f, undiscerning := filingOf(a)
		list = append(list, f)
		cost += undiscerning
	}
	return list, cost
}

// How undiscerning a way of looking is: in the number of rules that it may be worth to look at instead.
const (
	costExact   = 1
	costLong    = 10
	costShort   = 40
	costRange   = 200
	costLiteral = 300
	costAny     = 1000
)

func filingOf(a alternative) (f filing, cost int) {
	switch a := a.(type) {
	case exactText:
		return filing{way: byText, hash: hashText(string(a))}, costExact
	case exactly:
		return filing{way: byText, hash: hashText(string(a.exactText))}, costExact
	case exactNumber:
		if !a.number.comparable {
			return filing{way: byNumberText, hash: hashText(a.text)}, costExact
		}
		return filing{way: byNumber, hash: hashDouble(a.number.double)}, costExact
	case equalTo:
		return filing{way: byNumber, hash: hashDouble(a.double)}, costExact
	case literal:
		return filing{way: byLiteral, hash: uint64(a)}, costLiteral
	case prefix:
		return affixFiling(byPrefix, string(a))
	case suffix:
		return affixFiling(bySuffix, string(a))
	case wildcard:
		return wildcardFiling(a)
	case sameAddress:
		return addressFiling(netip.PrefixFrom(a.address, a.address.BitLen()))
	case block:
		return addressFiling(a.prefix)
	case equalFold:
		if isASCII(a.text) {
			return filing{way: byFold, hash: hashText(strings.ToLower(a.text))}, costExact
		}
	case prefixFold:
		if isASCII(a.text) {
			return affixFiling(byPrefixFold, strings.ToLower(a.text))
		}
	case suffixFold:
		if isASCII(a.text) {
			return affixFiling(bySuffixFold, strings.ToLower(a.text))
		}
	case between:
		lower, upper := a.ends()
		return filing{way: byRange, lower: lower, upper: upper}, costRange
	default:
	}
	return filing{way: byPresence}, costAny
}

// hashDouble hashes a comparable number. Zero has one sign among them.
func hashDouble(double float64) uint64 {
	return multiply(math.Float64bits(double+0)^hashKeyA, hashKeyB)
}

// affixFiling files a prefix or suffix under as much of it as the ladder has a length for.
func affixFiling(way valueKind, text string) (filing, int) {
	if text == "" {
		return filing{way: byPresence}, costAny
	}
	rung := rungOf(len(text))
	n := ladder[rung]
	cost := costShort
	if n > 4 {
		cost = costLong
	}
	if way == bySuffix || way == bySuffixFold {
		text = text[len(text)-n:]
	} else {
		text = text[:n]
	}
	return filing{way: way, rung: uint8(rung), hash: hashText(text)}, cost
}

// wildcardFiling files a wildcard under the longest piece of it, at least as far as that is discerning.
func wildcardFiling(w wildcard) (filing, int) {
	if len(w.pieces) == 1 {
		return filing{way: byText, hash: hashText(w.pieces[0])}, costExact
	}
	last := len(w.pieces) - 1
	longest := 0
	for i, piece := range w.pieces {
		if len(piece) > len(w.pieces[longest]) {
			longest = i
		}
	}
	switch piece := w.pieces[longest]; {
	case longest == 0:
		return affixFiling(byPrefix, piece)
	case longest == last:
		return affixFiling(bySuffix, piece)
	case len(piece) >= partBytes:
		return filing{way: byPart, hash: hashText(piece[:partBytes])}, costShort
	case w.pieces[0] != "":
		return affixFiling(byPrefix, w.pieces[0])
	default:
		return affixFiling(bySuffix, w.pieces[last])
	}
}

// addressFiling files a block of addresses under its first bits.
func addressFiling(p netip.Prefix) (filing, int) {
	bits := uint8(p.Bits())
	if p.Addr().Is4() {
		bits += 96
	}
	cost := costShort
	if bits == 128 {
		cost = costExact
	}
	return filing{way: byAddress, rung: bits, hash: hashAddress(p.Addr().As16(), bits)}, cost
}

// hashAddress hashes the first bits of an address, IPv4 being counted as what it is in IPv6.
func hashAddress(address [16]byte, bits uint8) uint64 {
	high, low := binary.BigEndian.Uint64(address[:8]), binary.BigEndian.Uint64(address[8:])
	if bits < 64 {
		high, low = high&^(math.MaxUint64>>bits), 0
	} else {
		low &^= math.MaxUint64 >> (bits - 64)
	}
	return multiply(high^hashKeyA, low^hashKeyB)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
