package main

import (
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestTakenPortNamesItsHolder(t *testing.T) {
	held, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := held.Close(); err != nil {
			t.Error(err)
		}
	})
	taken, err := listenOn(t.Context(), held.Addr().String())
	if err == nil {
		t.Fatalf("listening twice on one port worked: %v", taken.Close())
	}
	failed := failureOf(err, nil)
	if failed.code != codePortTaken || failed.exit() != exitConflict {
		t.Errorf("got %v, exit %v", failed.code, failed.exit())
	}
	if want := "pid " + strconv.Itoa(os.Getpid()); runtime.GOOS == "linux" && !strings.Contains(failed.what, want) {
		t.Errorf("%q doesn't name the holder, %s", failed.what, want)
	}
}

func TestFreePort(t *testing.T) {
	listener, err := listenOn(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}
