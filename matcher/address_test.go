package matcher

import "testing"

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "010.0.0.1": "10.0.0.1", "0000000000000000010.0.0.001": "10.0.0.1", "255.255.255.255": "255.255.255.255",
		"::ffff:a00:1": "10.0.0.1", "0:0:0:0:0:FFFF:0A00:0001": "10.0.0.1", "::a00:1": "::a00:1",
		"::": "::", "::1": "::1", "0:0:0:0:0:0:0:1": "::1", "2001:DB8::8:800:200C:417a": "2001:db8::8:800:200c:417a", "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
		"256.0.0.1": "", "10.0.0": "", "10.0.0.0.1": "", "10.0.0.": "", ".10.0.0": "", "10..0.1": "", "10.0.0.1\t": "", "0x10.0.0.1": "", "+10.0.0.1": "",
		"": "", ":": "", ":::": "", "1::2::3": "", "fe80::1%eth0": "", "::ffff:10.0.0.1": "", "1:2:3:4:5:6:7": "", "1:2:3:4:5:6:7:8:9": "", "g::": "", "[::1]": "", "12345::": "",
	} {
		a, ok := parseAddress(text)
		got := ""
		if ok {
			got = a.String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestBlock(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0", "10.0.0.1/31": "10.0.0.0/31", "010.0.0.0/08": "10.0.0.0/8",
		"::/0": "::/0", "2001:db8::1/32": "2001:db8::/32", "::1/127": "::/127", "::ffff:a00:1/8": "10.0.0.0/8",
	} {
		prefix, reason := parseBlock(text)
		if reason != "" || prefix.String() != want {
			t.Errorf("%q: got %s %q, want %s", text, prefix, reason, want)
		}
	}
	for text, want := range map[string]string{
		"": "Malformed CIDR, one '/' required", "10.0.0.0": "Malformed CIDR, one '/' required", "10.0.0.0/": "Malformed CIDR, one '/' required",
		"10.0.0.0/8/": "Malformed CIDR, one '/' required", "10.0.0.0//8": "Malformed CIDR, one '/' required",
		"10.0.0.0/x": "Malformed CIDR, mask bits must be an integer", "10.0.0.0/+8": "Malformed CIDR, mask bits must be an integer",
		"10.0.0.0/ 8": "Malformed CIDR, mask bits must be an integer", "10.0.0.0/8.0": "Malformed CIDR, mask bits must be an integer",
		"10.0.0.0/-": "Malformed CIDR, mask bits must be an integer", "10.0.0.0/-1": "Malformed CIDR, mask bits must not be negative",
		"10.0.0.0/32": "IPv4 mask bits must be < 32", "10.0.0.0/99999999999999999999999999": "IPv4 mask bits must be < 32", "::/128": "IPv6 mask bits must be < 128",
		"::ffff:a00:0/104": "IPv4 mask bits must be < 32", "/8": "Nonstandard IP address: ", "host/8": "Nonstandard IP address: host", "10.0.0/8": "Nonstandard IP address: 10.0.0",
	} {
		if _, reason := parseBlock(text); reason != want {
			t.Errorf("%q: got %q, want %q", text, reason, want)
		}
	}
}

// TestFamiliesApart: a block of one family holds no address of the other, other than by the mapped spelling.
func TestFamiliesApart(t *testing.T) {
	for _, c := range []struct {
		block, address string
		want           bool
	}{
		{"10.0.0.0/8", "10.9.8.7", true}, {"10.0.0.0/8", "::ffff:a09:807", true}, {"10.0.0.0/8", "a12::1", false}, {"0.0.0.0/0", "::1", false},
		{"0a00::/8", "10.0.0.1", false}, {"::/0", "10.0.0.1", false}, {"::/0", "::ffff:a00:1", false}, {"::/0", "::fffe:a00:1", true},
	} {
		prefix, reason := parseBlock(c.block)
		if reason != "" {
			t.Fatal(reason)
		}
		if got := (block{prefix: prefix}).matches(&value{kind: kindString, text: c.address}); got != c.want {
			t.Errorf("%s in %s: %t, want %t", c.address, c.block, got, c.want)
		}
	}
}
