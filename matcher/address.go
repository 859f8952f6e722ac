package matcher

import (
	"net/netip"
	"strings"
)

// parseAddress reads an IP address as patterns know them, or says that the string is none.
//
// IPv4 is four runs of decimal digits below 256; leading zeros don't make them octal. IPv6 is hex digits and colons, without a
// zone or a dotted tail. An IPv4 address that is written as IPv6 (::ffff:a00:1) is that IPv4 address; that is the only way in
// which the two meet.
func parseAddress(text string) (netip.Addr, bool) {
	if strings.Contains(text, ":") {
		if strings.Trim(text, "0123456789abcdefABCDEF:") != "" {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(text)
		return a.Unmap(), err == nil
	}
	var bytes [4]byte
	for i := range bytes {
		run, rest, dot := strings.Cut(text, ".")
		if dot != (i < 3) {
			return netip.Addr{}, false
		}
		b, ok := parseOctet(run)
		if !ok {
			return netip.Addr{}, false
		}
		bytes[i], text = b, rest
	}
	return netip.AddrFrom4(bytes), true
}

// parseOctet reads decimal digits, however many zeros stand in front.
func parseOctet(run string) (byte, bool) {
	n := 0
	for i := range len(run) {
		if run[i] < '0' || run[i] > '9' {
			return 0, false
		}
		if n = n*10 + int(run[i]-'0'); n > 255 {
			return 0, false
		}
	}
	return byte(n), run != ""
}

// sameAddress matches every spelling of an address.
type sameAddress struct {
	text    string
	address netip.Addr
}

func (a sameAddress) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	b, ok := parseAddress(v.text)
	return ok && a.address == b
}

func (a sameAddress) wants() string { return "the address " + quote(clip(a.text)) + " in any spelling" }

// block matches the addresses of a CIDR block.
type block struct {
	prefix netip.Prefix
}

func (b block) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	a, ok := parseAddress(v.text)
	return ok && b.prefix.Contains(a)
}

func (b block) wants() string { return "an address in " + b.prefix.String() }
