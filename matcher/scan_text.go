package matcher

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The scanner's words: white space, strings, numbers and literals. All of them read a text that has scanPadding zero bytes behind
// it. Zero begins, continues and ends nothing in JSON, so it stops each of them, and none has to ask where the text ends.

// scanPadding is how many bytes may be loaded from behind the text.
const scanPadding = 24

// Eight bytes at a time: every byte of a word compared at once.
const (
	eachLow    = 0x0101010101010101
	eachHigh   = 0x8080808080808080
	eachSpace  = eachLow * ' '
	eachQuote  = eachLow * '"'
	eachEscape = eachLow * '\\'
	eachDot    = eachLow * '.'
)

// skipSpace returns the place of the next byte that is no white space.
func skipSpace(b []byte, i int) int {
	for b[i] <= ' ' {
		switch b[i] {
		case ' ':
			for binary.LittleEndian.Uint64(b[i:]) == eachSpace { // indentation
				i += 8
			}
			for b[i] == ' ' {
				i++
			}
		case '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

// special marks, in the high bit of each byte, quotation marks, backslashes, control characters and what is not ASCII. Marks
// above the lowest one may be wrong, as the subtractions carry.
func special(word uint64) uint64 {
	return ((word - eachSpace) | (word ^ eachQuote - eachLow) | (word ^ eachEscape - eachLow) | word) & eachHigh
}

// skipString returns the place of the quotation mark that ends a string, given the place behind the one that begins it, and
// whether there are escapes on the way; below 0 if it is not valid.
func skipString(b []byte, i int) (end int, escaped bool) {
	for {
		marks := special(binary.LittleEndian.Uint64(b[i:]))
		for marks == 0 {
			i += 8
			marks = special(binary.LittleEndian.Uint64(b[i:]))
		}
		i += bits.TrailingZeros64(marks) / 8
		switch c := b[i]; {
		case c == '"':
			return i, escaped
		case c == '\\':
			escaped = true
			if i = skipEscape(b, i+1); i < 0 {
				return -1, true
			}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				return -1, escaped
			}
			i += size
		default:
			return -1, escaped
		}
	}
}

// skipEscape returns the place behind an escape, given the one behind its backslash; below 0 if it is not valid, as surrogates are
// that are not in a pair.
func skipEscape(b []byte, i int) int {
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		switch unit := hex4(b[i+1:]); {
		case unit < 0 || unit >= 0xDC00 && unit < 0xE000:
			return -1
		case unit < 0xD800 || unit >= 0xE000:
			return i + 5
		}
		if b[i+5] != '\\' || b[i+6] != 'u' {
			return -1
		}
		if second := hex4(b[i+7:]); second < 0xDC00 || second >= 0xE000 {
			return -1
		}
		return i + 11
	default:
		return -1
	}
}

// hex4 reads four hexadecimal digits; below 0 if they are none.
func hex4(b []byte) int32 {
	n := int32(0)
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int32(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | int32(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// unescape writes what a valid string says over the string itself, which is never shorter, and returns the new end.
func unescape(b []byte, start, end int) int {
	to := start
	for i := start; i < end; {
		c := b[i]
		if c != '\\' {
			b[to] = c
			i, to = i+1, to+1
			continue
		}
		switch c = b[i+1]; c {
		case 'u':
			r := hex4(b[i+2:])
			i += 6
			if r >= 0xD800 && r < 0xE000 {
				r = (r-0xD800)<<10 + hex4(b[i+2:]) - 0xDC00 + 0x10000
				i += 6
			}
			to += utf8.EncodeRune(b[to:], r)
			continue
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		default: // ", \ and / stand for themselves
		}
		b[to] = c
		i, to = i+2, to+1
	}
	return to
}

// skipNumber returns the place behind a number; below 0 if it is none.
func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	switch c := b[i]; {
	case c == '0':
		i++
	case '1' <= c && c <= '9':
		i = skipDigits(b, i)
	default:
		return -1
	}
	if b[i] == '.' {
		if i++; b[i]-'0' > 9 {
			return -1
		}
		i = skipDigits(b, i)
	}
	if b[i]|0x20 == 'e' {
		if i++; b[i] == '+' || b[i] == '-' {
			i++
		}
		if b[i]-'0' > 9 {
			return -1
		}
		i = skipDigits(b, i)
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for b[i]-'0' <= 9 {
		i++
	}
	return i
}

// skipLiteral returns the place behind true, false or null; below 0 if it is none of them.
func skipLiteral(b []byte, i int) int {
	const (
		textTrue = 't' | 'r'<<8 | 'u'<<16 | 'e'<<24
		textNull = 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24
		textAlse = 'a' | 'l'<<8 | 's'<<16 | 'e'<<24
	)
	switch binary.LittleEndian.Uint32(b[i:]) {
	case textTrue, textNull:
		return i + 4
	}
	if b[i] == 'f' && binary.LittleEndian.Uint32(b[i+1:]) == textAlse {
		return i + 5
	}
	return -1
}
