package processes

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// The environment of a child.
const (
	childVariable  = "RAFTLOG_PROCESSES_CHILD" // its number
	kindVariable   = "RAFTLOG_PROCESSES_KIND"  // what it is a member of
	dirVariable    = "RAFTLOG_PROCESSES_DIR"   // where it keeps its data
	groupsVariable = "RAFTLOG_PROCESSES_GROUPS"
	// addressVariable is where a child listens that comes back; any port if it is empty.
	addressVariable = "RAFTLOG_PROCESSES_ADDRESS"
)

// member is a node of some kind, in a child.
type member interface {
	// listening is where the others reach it.
	listening() string
	// start joins the groups.
	start(addresses []string) error
	// leads says whether the node leads a group and may propose to it.
	leads(group int) bool
	// knows tells whether it knows who leads a group.
	knows(group int) bool
	// propose begins a proposal, and returns what waits for its result.
	propose(group int, command []byte) (wait func() error)
	close() error
}

// kinds makes a member by its kind's name.
var kinds = map[string]func(number, groups int, dir string) (member, error){
	"yardstick": newYardstick,
	"raftlog":   newShared,
}

// TestMain runs a child in the tests' place when the environment says so.
func TestMain(m *testing.M) {
	if number := os.Getenv(childVariable); number != "" {
		if err := runChild(number); err != nil {
			fmt.Fprintln(os.Stderr, "child", number+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild is a child's life.
func runChild(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	groups, err := strconv.Atoi(os.Getenv(groupsVariable))
	if err != nil {
		return err
	}
	m, err := kinds[os.Getenv(kindVariable)](number, groups, os.Getenv(dirVariable))
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(answer{Listening: m.listening()}); err != nil {
		return err
	}
	in := json.NewDecoder(os.Stdin)
	for {
		var o order
		if err := in.Decode(&o); err == io.EOF {
			return m.close()
		} else if err != nil {
			return err
		}
		if err := out.Encode(obey(m, groups, o)); err != nil {
			return err
		}
	}
}

func obey(m member, groups int, o order) answer {
	switch {
	case o.Start != nil:
		if err := m.start(o.Start.Addresses); err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Started: true}
	case o.Load != nil:
		figures, err := runLoad(m, groups, *o.Load)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Figures: figures}
	default:
		var a answer
		for g := range groups {
			if m.leads(g) {
				a.Leads = append(a.Leads, g)
			}
			if m.knows(g) {
				a.Knows++
			}
		}
		return a
	}
}

// child is one of the processes, as the test sees it.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

// arrangement is three children of one kind.
type arrangement struct {
	tb        testing.TB
	kind      string
	dir       string
	groups    int
	children  []*child
	addresses []string
}

// arrange starts three children and waits until every group has a leader.
func arrange(tb testing.TB, kind string, groups int) *arrangement {
	tb.Helper()
	a := &arrangement{tb: tb, kind: kind, dir: tb.TempDir(), groups: groups}
	for number := range 3 {
		c, address := a.spawn(number, "")
		a.children, a.addresses = append(a.children, c), append(a.addresses, address)
	}
	for number := range a.children {
		a.start(number)
	}
	a.awaitLeaders()
	return a
}

// spawn starts a child's process and learns where it listens: at the address, or at one of its own.
func (a *arrangement) spawn(number int, address string) (*child, string) {
	a.tb.Helper()
	c := &child{command: exec.CommandContext(context.WithoutCancel(a.tb.Context()), os.Args[0])}
	c.command.Env = append(os.Environ(),
		childVariable+"="+strconv.Itoa(number), kindVariable+"="+a.kind,
		dirVariable+"="+filepath.Join(a.dir, strconv.Itoa(number)), groupsVariable+"="+strconv.Itoa(a.groups), addressVariable+"="+address)
	c.command.Stderr = a.tb.Output()
	in, err := c.command.StdinPipe()
	if err != nil {
		a.tb.Fatal(err)
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		a.tb.Fatal(err)
	}
	c.in, c.orders, c.answers = in, json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))
	if err := c.command.Start(); err != nil {
		a.tb.Fatal(err)
	}
	var listening answer
	if err := c.answers.Decode(&listening); err != nil {
		a.tb.Fatalf("child %d: %v", number, err)
	}
	return c, listening.Listening
}

func (a *arrangement) start(number int) {
	a.tb.Helper()
	if got := a.ask(number, order{Start: &start{Addresses: a.addresses}}); !got.Started {
		a.tb.Fatalf("child %d did not start", number)
	}
}

// kill ends a child as a crash would, and comeBack starts it again on what it left behind.
func (a *arrangement) kill(number int) {
	a.tb.Helper()
	if err := a.children[number].command.Process.Kill(); err != nil {
		a.tb.Fatal(err)
	}
	if err := a.children[number].command.Wait(); err == nil {
		a.tb.Fatalf("child %d ended by itself", number)
	}
}

func (a *arrangement) comeBack(number int) {
	a.tb.Helper()
	a.children[number], _ = a.spawn(number, a.addresses[number])
	a.start(number)
}

// pause stops a child's process in its tracks, so that it is cut off from the others while its connections stay; resume lets it go on.
func (a *arrangement) pause(number int) { a.signal(number, syscall.SIGSTOP) }

func (a *arrangement) resume(number int) { a.signal(number, syscall.SIGCONT) }

func (a *arrangement) signal(number int, s os.Signal) {
	a.tb.Helper()
	if err := a.children[number].command.Process.Signal(s); err != nil {
		a.tb.Fatal(err)
	}
}

// led lists the groups that a child leads.
func (a *arrangement) led(number int) []int {
	a.tb.Helper()
	return a.ask(number, order{Leads: true}).Leads
}

// tell sends a child an order, and hear reads its answer.
func (a *arrangement) tell(number int, o order) {
	a.tb.Helper()
	if err := a.children[number].orders.Encode(o); err != nil {
		a.tb.Fatalf("child %d: %v", number, err)
	}
}

func (a *arrangement) hear(number int) (got answer) {
	a.tb.Helper()
	if err := a.children[number].answers.Decode(&got); err != nil {
		a.tb.Fatalf("child %d: %v", number, err)
	}
	if got.Error != "" {
		a.tb.Fatalf("child %d: %s", number, got.Error)
	}
	return got
}

func (a *arrangement) ask(number int, o order) answer {
	a.tb.Helper()
	a.tell(number, o)
	return a.hear(number)
}

// awaitLeaders waits until each group is led by somebody, and everybody has heard by whom: one that came back a moment ago hasn't.
func (a *arrangement) awaitLeaders() {
	a.tb.Helper()
	a.awaitLed(a.groups, 0, 1, 2)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for number := range a.children {
		for a.ask(number, order{Leads: true}).Knows < a.groups {
			<-tick.C
			if err := a.tb.Context().Err(); err != nil {
				a.tb.Fatal(err)
			}
		}
	}
}

// awaitLed waits until some children lead so many groups between them.
func (a *arrangement) awaitLed(groups int, children ...int) {
	a.tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		led := 0
		for _, number := range children {
			led += len(a.led(number))
		}
		if led == groups {
			return
		}
		if err := a.tb.Context().Err(); err != nil {
			a.tb.Fatal(err)
		}
	}
}

// load runs a load on all children at once and adds up what they measured.
func (a *arrangement) load(l load) (sum figure) {
	a.tb.Helper()
	for number := range a.children {
		a.tell(number, order{Load: &l})
	}
	for number := range a.children {
		f := a.hear(number).Figures
		sum.Entries += f.Entries
		sum.Bytes += f.Bytes
		sum.CPU += f.CPU
		sum.DiskBytes += f.DiskBytes
		sum.Failed += f.Failed
		sum.Micros = append(sum.Micros, f.Micros...)
	}
	return sum
}

// close ends the children.
func (a *arrangement) close() {
	a.tb.Helper()
	for number, c := range a.children {
		if err := c.in.Close(); err != nil {
			a.tb.Errorf("child %d: %v", number, err)
		}
		if err := c.command.Wait(); err != nil {
			a.tb.Errorf("child %d: %v", number, err)
		}
	}
}
