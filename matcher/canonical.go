package matcher

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// canonicalForms make texts the same that are the same but for case: whatever a character of a pattern stands for, its lower and its
// upper case, have one canonical form. Others may have it too, as what is found by it is verified. Values are looked up in that form
// where patterns ignore case.
type canonicalForms struct {
	// one gives each character up to U+FFFF the one that stands for it. Those above stand for themselves.
	one [1 << 16]uint16
	// several are the characters of one that become several in their other case, as ß does.
	several map[rune]string
}

// severalRanges are where Unicode's SpecialCasing.txt has characters that become several in another case, whatever the language
// (canonical_test.go looks at all characters).
var severalRanges = [...][2]rune{
	{0x00DF, 0x00DF}, {0x0130, 0x0130}, {0x0149, 0x0149}, {0x01F0, 0x01F0}, {0x0390, 0x0390}, {0x03B0, 0x03B0}, {0x0587, 0x0587},
	{0x1E96, 0x1E9A}, {0x1F50, 0x1FFF}, {0xFB00, 0xFB17},
}

var theCanonicalForms = sync.OnceValue(func() *canonicalForms {
	c := &canonicalForms{several: make(map[rune]string)}
	for r := range c.one {
		c.one[r] = uint16(r)
	}
	for _, cased := range unicode.CaseRanges {
		for r := rune(cased.Lo); r <= rune(cased.Hi) && int(r) < len(c.one); r++ {
			least := r
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				least = min(least, other)
			}
			c.one[r] = uint16(unicode.ToLower(least))
		}
	}
	// Folding keeps these apart, as Turkish does; upper case doesn't.
	c.one['ı'] = 'i'
	c.one['İ'] = 'İ'
	folder := newFolder()
	for _, ends := range severalRanges {
		for r := ends[0]; r <= ends[1]; r++ {
			unit := folder.unit(r)
			for _, form := range []string{unit.lower, unit.upper} {
				if utf8.RuneCountInString(form) > 1 {
					c.several[rune(c.one[r])] = string(c.append(nil, form))
				}
			}
		}
	}
	return c
})

// canonical is the canonical form of a text.
func canonical(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(text)
	}
	return string(theCanonicalForms().append(nil, text))
}

// appendCanonical appends the canonical form of a text.
func appendCanonical(to []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return theCanonicalForms().append(to, text[i:])
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}

// append appends the canonical form of a text. Bytes that are not UTF-8 stay as they are, one by one.
func (c *canonicalForms) append(to []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError || r > 0xFFFF {
			to = append(to, text[i:i+size]...)
			i += size
			continue
		}
		i += size
		r = rune(c.one[r])
		if r < utf8.RuneSelf {
			to = append(to, byte(r))
		} else if several, ok := c.several[r]; ok {
			to = append(to, several...)
		} else {
			to = utf8.AppendRune(to, r)
		}
	}
	return to
}
