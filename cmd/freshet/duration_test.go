package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "-10m": -10 * time.Minute, "-1d": -24 * time.Hour, "1.5h": 90 * time.Minute,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "such as 30s", "d": "such as 30s", "-": "such as 30s", "--5s": "such as 30s", "5": "with its unit, such as 5s or 5m",
		"1d-2h": "such as 30s", "5 s": "such as 30s", "soon": "such as 30s", "65536d": "such as 30s", "1.5d": "such as 30s", "1h1d": "such as 30s",
	} {
		if got, err := parseDuration(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v, %v, want an error with %q", text, got, err, says)
		}
	}
	var negative duration
	if err := negative.UnmarshalText([]byte("-5s")); err == nil {
		t.Error("a negative time is taken")
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 30 * time.Second: "30s", 5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + time.Second: "1h0m1s", 250 * time.Millisecond: "250ms", 10 * time.Minute: "10m", 10 * time.Hour: "10h",
	} {
		if got := duration(d).String(); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}
