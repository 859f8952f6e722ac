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
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	taken, err := listenOn(held.Addr().String())
	if err == nil {
		taken.Close()
		t.Fatal("listening twice on one port worked")
	}
	failed := failureOf(err)
	if failed.code != codePortTaken || failed.exit() != exitConflict {
		t.Errorf("got %v, exit %v", failed.code, failed.exit())
	}
	if want := "pid " + strconv.Itoa(os.Getpid()); runtime.GOOS == "linux" && !strings.Contains(failed.what, want) {
		t.Errorf("%q doesn't name the holder, %s", failed.what, want)
	}
}

func TestFreePort(t *testing.T) {
	listener, err := listenOn("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}
