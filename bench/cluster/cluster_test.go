package cluster

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
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes this test's binary play another part: a stand-in for a node,
// or a parent that is killed. It doesn't begin with FRESHET_, which children don't
// get.
const roleVariable = "CLUSTER_TEST_ROLE"

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
// and ends with its standard input, unless it is deaf, or when somebody says
// "die".
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
			if word, _ := bufio.NewReader(conn).ReadString('\n'); word == "die\n" {
				fmt.Fprintln(os.Stderr, "told to die")
				os.Exit(8)
			}
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
	c, err := New(context.Background(), Options{
		Name: "test", Dir: os.Args[1], Program: []string{os.Args[0]}, Environment: []string{roleVariable + "=deaf"},
	})
	if err == nil {
		err = c.Start(context.Background())
	}
	fmt.Println(c.Target(), err)
	select {}
}

func testCluster(t *testing.T, role string, change func(*Options)) *Cluster {
	t.Helper()
	o := Options{Name: "test", Dir: t.TempDir(), Program: []string{os.Args[0]}, Environment: []string{roleVariable + "=" + role}}
	if change != nil {
		change(&o)
	}
	c, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// askPID connects, and returns what the node there says.
func askPID(t *testing.T, address string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it has been read from
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestNodeIsRefusedWhileItIsAway is CL1: who dials a killed node is refused, and
// nobody else gets its port.
func TestNodeIsRefusedWhileItIsAway(t *testing.T) {
	c := testCluster(t, "node", func(o *Options) { o.Nodes = 3 })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := c.Node("n2")
	if pid := askPID(t, n.API()); pid != n.PID() || n.Starts() != 1 || n.State() != Running {
		t.Errorf("process %d answers for %d, start %d, %v", pid, n.PID(), n.Starts(), n.State())
	}
	first := n.PID()
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", n.API()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a killed node answers a dial with %v", err)
	}
	if runtime.GOOS == "linux" {
		if again, err := reserve(t.Context(), n.API()); err == nil {
			// Another reservation is possible by design; a port of choice must
			// never be this one, and a plain bind is refused.
			_ = again.release()
		}
		plain, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Close(plain) }()
		_, port, _ := net.SplitHostPort(n.API())
		number, _ := strconv.Atoi(port)
		if err := syscall.Bind(plain, &syscall.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("the port of a killed node can be had: %v", err)
		}
	}
	if n.State() != Killed || n.PID() != 0 {
		t.Errorf("a killed node is %v, process %d", n.State(), n.PID())
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second := askPID(t, n.API()); second == first || n.State() != Running || n.Starts() != 2 {
		t.Errorf("process %d, then %d, %v", first, second, n.State())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		if n.State() != Stopped {
			t.Errorf("%s is %v", n.Name(), n.State())
		}
	}
	if err := n.Start(t.Context()); err == nil {
		t.Error("a node starts although the cluster is closed")
	}
}

func TestConfigurationFiles(t *testing.T) {
	c := testCluster(t, "node", func(o *Options) { o.Nodes, o.Partitions, o.LogBytes = 3, 8, 16<<20 })
	text, err := os.ReadFile(c.Node("n2").Configuration())
	if err != nil {
		t.Fatal(err)
	}
	var peers []string
	for _, n := range c.Nodes() {
		peers = append(peers, "  - "+n.Name()+"="+n.Peer())
	}
	n := c.Node("n2")
	want := fmt.Sprintf("node: n2\ndata: %s\nlisten:\n  api: %s\n  peer: %s\n  admin: %s\ncluster:\n  name: test\n  partitions: 8\n  peers:\n%s\nlog:\n  size: 16777216B\ntelemetry:\n  log: info\n  log_format: text\n",
		n.Data(), n.API(), n.Peer(), n.Admin(), strings.Join(peers, "\n"))
	if string(text) != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	if alone := testCluster(t, "node", nil).Node("n1"); alone.Peer() != "" {
		t.Errorf("a node alone has %q for its peers", alone.Peer())
	}
}

func TestPauseAndResume(t *testing.T) {
	c := testCluster(t, "node", nil)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := c.Node("n1")
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.PID()), "stat"))
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(after, "T") {
			t.Errorf("a paused process has the state %.1q", after)
		}
	}
	for _, wrong := range []func() error{n.Pause, func() error { return n.Start(t.Context()) }} {
		if refused, ok := errors.AsType[*StateError](wrong()); !ok || refused.State != Paused {
			t.Errorf("got %v", refused)
		}
	}
	if err := n.Resume(); err != nil {
		t.Fatal(err)
	}
	if pid := askPID(t, n.API()); pid != n.PID() || n.State() != Running {
		t.Errorf("process %d, %v", pid, n.State())
	}
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := n.Kill(); err != nil { // which a paused one can't refuse
		t.Fatal(err)
	}
	for _, wrong := range []func() error{n.Pause, n.Resume, n.Kill, n.Stop} {
		if refused, ok := errors.AsType[*StateError](wrong()); !ok || refused.State != Killed {
			t.Errorf("got %v", refused)
		}
	}
}

// TestNodeThatEndsByItself is told with how it ended and what it said.
func TestNodeThatEndsByItself(t *testing.T) {
	c := testCluster(t, "dying", func(o *Options) {
		o.Died = func(*Node, error) { t.Error("it is told twice") }
	})
	for range 2 { // of its second process nothing that the first one said
		err := c.Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "exit status 7") || strings.Count(err.Error(), "made of cheese") != 1 {
			t.Errorf("got %v", err)
		}
	}
	if n := c.Node("n1"); n.State() != Ended {
		t.Errorf("it is %v", n.State())
	}
}

// TestNodeThatDiesLater is told to whoever wants to know.
func TestNodeThatDiesLater(t *testing.T) {
	died := make(chan error, 1)
	c := testCluster(t, "node", func(o *Options) {
		o.Died = func(_ *Node, err error) { died <- err }
	})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", c.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("die\n")); err != nil {
		t.Fatal(err)
	}
	if err := <-died; !strings.Contains(err.Error(), "exit status 8") || !strings.Contains(err.Error(), "told to die") {
		t.Errorf("got %v", err)
	}
	if n := c.Node("n1"); n.State() != Ended || n.PID() != 0 {
		t.Errorf("it is %v, process %d", n.State(), n.PID())
	}
}

func TestNodeThatIsNoProgram(t *testing.T) {
	c := testCluster(t, "node", func(o *Options) { o.Program = []string{filepath.Join(t.TempDir(), "nothing")} })
	if err := c.Start(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestStoppingADeafNode takes its time, and then force.
func TestStoppingADeafNode(t *testing.T) {
	c := testCluster(t, "deaf", nil)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := c.Node("n1").mu.process
	if err := p.stop(10 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	default:
		t.Error("it is stopped and has not ended")
	}
}

// TestNodeThatDoesNotComeUp goes on, and Start says that it has not.
func TestNodeThatDoesNotComeUp(t *testing.T) {
	c := testCluster(t, "node", func(o *Options) { o.Program = []string{"/bin/sh", "-c", "read line", "sh"} })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := c.Node("n1"); n.State() != Starting {
		t.Errorf("it is %v", n.State())
	}
}

// TestTakenPort names who it was for.
func TestTakenPort(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	port := held.Addr().(*net.TCPAddr).Port
	_, err = New(t.Context(), Options{Name: "test", Dir: t.TempDir(), Program: []string{os.Args[0]}, Port: port - 2})
	taken, ok := errors.AsType[*PortError](err)
	if !ok || taken.Node != "n1" || taken.For != "health and profiles" || taken.Address != held.Addr().String() || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

// TestChildrenGetNoConfiguration is CL4.
func TestChildrenGetNoConfiguration(t *testing.T) {
	t.Setenv("FRESHET_DATA", "/somewhere/else")
	for _, variable := range testCluster(t, "node", nil).Node("n1").environment() {
		if strings.HasPrefix(variable, "FRESHET_") {
			t.Errorf("a child gets %s", variable)
		}
	}
}

// TestNodeDiesWithItsParent kills the parent of a node that listens to nothing (CL2).
func TestNodeDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux kills a process with its parent; elsewhere the end of its standard input has to do")
		return
	}
	parent := exec.Command(os.Args[0], t.TempDir())
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
	pid := askPID(t, address)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed, and says so
	// The node is an orphan now, so nobody here can wait for it: look until nobody
	// listens on its port.
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = conn.Close()
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatalf("node %d is still there", pid)
		}
	}
}

func TestLastLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := lastLines(name, 0, 2); err != nil || got != "line 9998\nline 9999" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := lastLines(name, int64(text.Len())-10, 5); err != nil || got != "line 9999" {
		t.Errorf("got %q, %v", got, err)
	}
}
