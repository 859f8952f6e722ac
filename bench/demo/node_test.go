package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes this test's binary play another part: a stand-in for a node,
// or a parent that is killed.
const roleVariable = "FRESHET_DEMO_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "dying":
		fmt.Fprintln(os.Stderr, "first line\nthe disk is made of cheese")
		os.Exit(7)
	case "parent":
		playParent()
	default:
		playNode(role)
	}
}

// playNode says that it is ready, answers each connection with its process id,
// and ends with its standard input, unless it is deaf.
func playNode(role string) {
	if role == "deaf" {
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintln(conn, os.Getpid()) // the test sees that it is missing
			_ = conn.Close()
		}
	}()
	fmt.Println(`a line for people`)
	fmt.Println(`{"ready":true,"node":"n1"}`)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent says so, or is gone
	if role == "deaf" {
		select {}
	}
}

// playParent starts a deaf node, says so, and waits to be killed.
func playParent() {
	err := os.Setenv(roleVariable, "deaf")
	if err != nil {
		panic(err)
	}
	n, err := newNode(context.Background(), "n1", []string{os.Args[0]}, os.TempDir(), 1<<20)
	if err == nil {
		err = n.start(context.Background())
	}
	fmt.Println(n.address(), err)
	select {}
}

func testNode(t *testing.T, role string) *node {
	t.Helper()
	t.Setenv(roleVariable, role)
	n, err := newNode(t.Context(), "n1", []string{os.Args[0]}, t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// askPID connects, and returns what the node there says.
func askPID(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it has been read from
	pid, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestNodeKeepsItsPort kills a node and starts it again. Who connects in between
// is served by the next process.
func TestNodeKeepsItsPort(t *testing.T) {
	n := testNode(t, "node")
	if err := n.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := askPID(t, n.address())
	if err := n.kill(); err != nil {
		t.Fatal(err)
	}
	if n.state() != NodeKilled {
		t.Errorf("a killed node is %v", n.state())
	}
	between, err := net.Dial("tcp", n.address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = between.Close() }() // it has been read from
	if err := n.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	early, err := bufio.NewReader(between).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if second := askPID(t, n.address()); second == first || early != second || n.state() != NodeRunning {
		t.Errorf("process %s, then %s (%s in between), %v", first, second, early, n.state())
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", n.address()); err == nil {
		t.Error("somebody still listens when the node is stopped")
	}
}

// TestNodeThatEndsByItself is told with how it ended and what it said.
func TestNodeThatEndsByItself(t *testing.T) {
	n := testNode(t, "dying")
	err := n.start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "made of cheese") {
		t.Errorf("got %v", err)
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}

// TestNodeThatIsNoProgram can't be started.
func TestNodeThatIsNoProgram(t *testing.T) {
	n, err := newNode(t.Context(), "n1", []string{t.TempDir() + "/nothing"}, t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.start(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}

// TestStoppingADeafNode takes its time, and then force.
func TestStoppingADeafNode(t *testing.T) {
	n := testNode(t, "deaf")
	if err := n.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.child.stop(10 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.ended():
	default:
		t.Error("it is stopped and has not ended")
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}

// TestNodeDiesWithItsParent kills the parent of a node that listens to nothing.
func TestNodeDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux kills a process with its parent; elsewhere the end of its standard input has to do")
		return
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), roleVariable+"=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, ok := strings.CutSuffix(strings.TrimSpace(line), " <nil>")
	if !ok {
		t.Fatalf("the parent says %q", line)
	}
	var pid int
	if _, err := fmt.Sscan(askPID(t, address), &pid); err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed, and says so
	// The node is an orphan now, so nobody here can wait for it: look until its
	// port, which it held last, is free.
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = conn.Close()
		if !pause(t.Context(), 10*time.Millisecond) {
			t.Fatalf("node %d is still there", pid)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var kept tail
	for i := range 10_000 {
		if _, err := fmt.Fprintf(&kept, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if got := kept.lines(2); got != "line 9998\nline 9999" {
		t.Errorf("kept %q", got)
	}
	if len(kept.mu.kept) > tailBytesMax {
		t.Errorf("kept %d bytes", len(kept.mu.kept))
	}
}
