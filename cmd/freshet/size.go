package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes as people write it: 512, 64KiB, 1MiB, 20GiB; KB, MB
// and GB are powers of ten.
type size int64

// sizeUnits in the order in which they are looked for.
var sizeUnits = []struct {
	name  string
	bytes size
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

// UnmarshalText reads "1MiB". A fraction is taken where it makes whole bytes.
func (s *size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), size(1)
	for _, candidate := range sizeUnits {
		if before, ok := strings.CutSuffix(number, candidate.name); ok {
			number, unit = strings.TrimSpace(before), candidate.bytes
			break
		}
	}
	count, err := strconv.ParseFloat(number, 64)
	bytes := count * float64(unit)
	if err != nil || bytes < 0 || bytes >= 1<<62 || bytes != math.Trunc(bytes) {
		return fmt.Errorf("wants a size such as 64KiB, 1MiB or 20GiB, got %q", text)
	}
	*s = size(bytes)
	return nil
}

// String is the largest binary unit that divides it: 1MiB, 1536KiB, 1000B.
func (s size) String() string {
	for _, unit := range sizeUnits[:4] {
		if s != 0 && s%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", s/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// rough is s for a sentence: 1.9 GiB.
func (s size) rough() string {
	for _, unit := range sizeUnits[:4] {
		if s >= unit.bytes {
			return fmt.Sprintf("%.1f %s", float64(s)/float64(unit.bytes), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", int64(s))
}
