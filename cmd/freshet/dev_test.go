package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asChildren lets what dev and demo start be this test's binary as the program, with
// an environment that says other things than they do: children must not hear of
// it.
func asChildren(t *testing.T) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv(asProgram, "1")
	t.Setenv("FRESHET_DATA", "/nowhere/at/all")
}

func TestDevServesAndRemovesWhatItMade(t *testing.T) {
	asChildren(t)
	dev := begin(t, nil, "dev", "--port", "0", "--log-size", "16MiB")
	found := dev.until(`^a node listens on (\S+); data and logs are in (\S+) \(removed at the end\)`)
	dev.until(`^Ctrl-C ends it`)
	address, dir := found[1], found[2]
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	if out, code := ask(t, "topic", "create", "orders", "--server", address); code != exitOK || out != "created topic orders\n" {
		t.Errorf("exit %v, %q", code, out)
	}
	dev.end(exitOK)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if _, code := ask(t, "topic", "list", "--server", address); code != exitUnavailable {
		t.Errorf("exit %v after the end, want %v", code, exitUnavailable)
	}
}

func TestDevKeepsDataThatAreNamed(t *testing.T) {
	asChildren(t)
	dir := filepath.Join(t.TempDir(), "playground")
	for _, round := range []string{"created topic orders\n", "topic orders is there already, with these settings\n"} {
		dev := begin(t, nil, "dev", "--port", "0", "--log-size", "16MiB", "--data", dir)
		address := dev.until(`^a node listens on (\S+); data and logs are in .* \(kept\)`)[1]
		dev.until(`^Ctrl-C ends it`)
		if out, code := ask(t, "topic", "create", "orders", "--server", address); code != exitOK || out != round {
			t.Errorf("exit %v, %q, want %q", code, out, round)
		}
		dev.end(exitOK)
	}
}

func TestDevNamesWhoHasThePort(t *testing.T) {
	held, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := held.Close(); err != nil {
			t.Error(err)
		}
	})
	_, port, err := net.SplitHostPort(held.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	before, err := filepath.Glob(filepath.Join(os.TempDir(), "freshet-dev-*"))
	if err != nil {
		t.Fatal(err)
	}
	dev := begin(t, nil, "dev", "--port", port, "--log-size", "16MiB")
	dev.wait(exitConflict)
	if said := dev.stderr.String(); !strings.Contains(said, "is taken") || !strings.Contains(said, "try: freshet dev --port 0") {
		t.Errorf("got %q", said)
	}
	after, err := filepath.Glob(filepath.Join(os.TempDir(), "freshet-dev-*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(after) > len(before) {
		t.Errorf("it left %q behind; before there was %q", after, before)
	}
}

// TestDevTakesOrders kills, starts, pauses and resumes a playground's node from
// outside.
func TestDevTakesOrders(t *testing.T) {
	asChildren(t)
	order := func(args ...string) (string, exitCode) { return ask(t, append([]string{"dev"}, args...)...) }
	if _, code := order("kill", "n1"); code != exitUnavailable {
		t.Errorf("without a playground: exit %v", code)
	}
	dev := begin(t, nil, "dev", "--port", "0", "--log-size", "16MiB")
	found := dev.until(`^a node listens on (\S+); data and logs are in (\S+) `)
	dev.until(`^Ctrl-C ends it`)
	address, dir := found[1], found[2]
	for _, step := range []struct {
		args  []string
		said  string
		code  exitCode
		lists exitCode // what topic list ends with then
	}{
		{[]string{"kill", "n1"}, "n1 is killed -9\n", exitOK, exitUnavailable},
		{[]string{"kill", "n1"}, "", exitConflict, exitUnavailable},
		{[]string{"start", "n1"}, "n1 is running\n", exitOK, exitOK},
		{[]string{"start", "n1", "--data", dir}, "", exitConflict, exitOK},
		{[]string{"pause", "n1"}, "n1 is paused\n", exitOK, exitUnavailable},
		{[]string{"start", "n1"}, "", exitConflict, exitUnavailable},
		{[]string{"resume", "n1"}, "n1 is running\n", exitOK, exitOK},
		{[]string{"pause", "n4"}, "", exitNotFound, exitOK},
		{[]string{"kill", "n1", "--data", t.TempDir()}, "", exitUnavailable, exitOK},
	} {
		said, code := order(step.args...)
		if said != step.said || code != step.code {
			t.Errorf("%q: exit %v, %q", step.args, code, said)
		}
		patience := "20s" // a busy machine's
		if step.lists != exitOK {
			patience = "300ms"
		}
		if _, code := ask(t, "topic", "list", "--server", address, "--timeout", patience); code != step.lists {
			t.Errorf("after %q: exit %v, want %v", step.args, code, step.lists)
		}
	}
	said, _ := order("kill", "n1", "--json")
	var answer orderAnswer
	if err := json.Unmarshal([]byte(said), &answer); err != nil || answer.Node != "n1" || answer.State != "killed -9" {
		t.Errorf("%v: %q", err, said)
	}
	other := begin(t, nil, "dev", "--port", "0", "--log-size", "16MiB")
	other.until(`^Ctrl-C ends it`)
	if _, code := order("start", "n1"); code != exitUsage {
		t.Errorf("with two playgrounds: exit %v", code)
	}
	other.end(exitOK)
	dev.end(exitOK)
	if said := dev.stderr.String(); !strings.Contains(said, "n1 was killed (kill -9)\nn1 was started\nn1 was paused\nn1 was resumed\n") {
		t.Errorf("it notes %q", said)
	}
}

// TestDevOfThree loses a node and has it back.
func TestDevOfThree(t *testing.T) {
	asChildren(t)
	dev := begin(t, nil, "dev", "--nodes", "3", "--port", "0", "--log-size", "16MiB")
	addresses := strings.Split(dev.until(`^3 nodes listen on (\S+); data and logs are in`)[1], ",")
	dev.until(`^Ctrl-C ends it`)
	if _, code := ask(t, "cluster", "status", "--server", addresses[2]); code != exitOK {
		t.Errorf("exit %v", code)
	}
	for _, order := range []string{"kill", "start", "pause", "resume"} {
		if _, code := ask(t, "dev", order, "n2"); code != exitOK {
			t.Errorf("%s: exit %v", order, code)
		}
	}
	dev.end(exitOK)
	for _, address := range addresses {
		if _, code := ask(t, "topic", "list", "--server", address); code != exitUnavailable {
			t.Errorf("%s answers still: exit %v", address, code)
		}
	}
}

// TestDevToldTwice is timeout(1), which tells its child to end and at once its child's
// whole group: what was made is removed all the same.
func TestDevToldTwice(t *testing.T) {
	asChildren(t)
	dev := exec.Command(os.Args[0], "dev", "--port", "0", "--log-size", "16MiB")
	out, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for up := false; !up && lines.Scan(); { // it is up when it says how to end it
		up = strings.HasPrefix(lines.Text(), "Ctrl-C")
	}
	for range 2 {
		if err := dev.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for lines.Scan() { // Wait closes the pipe
	}
	if err := dev.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
