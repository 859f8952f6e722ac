package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

// TestSomethingElseListens: a port that is open and says nothing is not a node,
// and the refusal says so instead of "unknown".
func TestSomethingElseListens(t *testing.T) {
	mute, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mute.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, args := range [][]string{{"topic", "list"}, {"take", "orders/billing"}, {"take", "orders/billing", "--ack"}} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(args, "--server", mute.Addr().String(), "--timeout", "50ms"), surroundings{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, lookup: func(string) (string, bool) { return "", false },
		})
		want := "freshet: something listens at " + mute.Addr().String() + ", and no node has answered within 50ms (FR5001)\n"
		if code != exitUnavailable || !strings.HasPrefix(stderr.String(), want) || stdout.Len() > 0 {
			t.Errorf("%q: exit %v\n%s%s", args, code, stdout.String(), stderr.String())
		}
	}
}
