package main

import (
	"testing"
)

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want size
		back string // what String says; empty: text
	}{
		{"0", 0, "0B"},
		{"512", 512, "512B"},
		{"512B", 512, ""},
		{"1KiB", 1 << 10, ""},
		{"1.5KiB", 1536, "1536B"},
		{"1.5MiB", 3 << 19, "1536KiB"},
		{"1 MiB", 1 << 20, "1MiB"},
		{"20GiB", 20 << 30, ""},
		{"1kB", 1000, "1000B"},
		{"2MB", 2e6, "2000000B"},
		{"3TB", 3e12, "2929687500KiB"},
	} {
		var got size
		if err := got.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		back := c.back
		if back == "" {
			back = c.text
		}
		if got != c.want || got.String() != back {
			t.Errorf("%q is %d (%s), want %d (%s)", c.text, int64(got), got, int64(c.want), back)
		}
		var again size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q reads back as %d, %v", got.String(), int64(again), err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5", "0.3KiB", "1 gig", "1Mib", "NaN", "inf", "9e30", "1e400"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, int64(got))
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1199880: "1,199,880", -1: "-1", -123: "-123", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}
