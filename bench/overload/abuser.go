package overload

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"
)

// Abuses run in a process of their own, at the lowest priority: where it can be had SCHED_IDLE (sched(7)), which gives a processor up as soon as anybody else
// wants it, while what is merely nice keeps it for some milliseconds; and on half of the processors, since where none is ever idle the system doesn't
// move what waits on one to another for tens of milliseconds. In one process with the good client they would take its turns at Go's scheduler and have their
// garbage collected in its time; and where processors are short, bad clients would take those that elsewhere are the nodes' and the good client's own. What their doings
// cost the nodes is not spared.

// task is what the process is told.
type task struct {
	Abuse   string
	Options Options
	Nodes   []string
}

// told is what it says in the end.
type told struct {
	Answer string
	Error  string
}

// Abuse does what the task in says for as long as it says, and writes what came of it to out. It is what the process of Options.Abuser has to call.
func Abuse(ctx context.Context, in io.Reader, out io.Writer) error {
	var t task
	if err := gob.NewDecoder(in).Decode(&t); err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	i := slices.IndexFunc(abuses, func(a abuse) bool { return a.name == t.Abuse })
	if i < 0 {
		return fmt.Errorf("there is no abuse %q", t.Abuse)
	}
	runtime.GOMAXPROCS(max(runtime.NumCPU()/2, 1))
	ctx, end := context.WithTimeout(ctx, t.Options.Phase)
	defer end()
	var said told
	var err error
	if said.Answer, err = abuses[i].do(ctx, &field{Options: &t.Options, nodes: t.Nodes}); err != nil {
		said.Error = err.Error()
	}
	return gob.NewEncoder(out).Encode(said)
}

// abuserLate is how much longer than its time the process may take to start and to end.
const abuserLate = time.Minute

// abuse has an abuse done to all nodes, for Phase.
func (r *run) abuse(ctx context.Context, a abuse) (answer string, err error) {
	t := task{Abuse: a.name, Options: *r.Options, Nodes: r.addresses}
	t.Options.Progress = nil
	var in, out, complaints bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(t); err != nil {
		return "", err
	}
	ctx, end := context.WithTimeout(ctx, r.Phase+abuserLate)
	defer end()
	program := r.Abuser
	for _, lowest := range [][]string{{"chrt", "--idle", "0"}, {"nice", "-n", "19"}} {
		if path, err := exec.LookPath(lowest[0]); err == nil {
			program = slices.Concat([]string{path}, lowest[1:], program)
			break
		}
	}
	cmd := exec.CommandContext(ctx, program[0], program[1:]...) //nolint:gosec // it is what the caller wants
	cmd.Env = append(os.Environ(), r.AbuserEnvironment...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the process of the abuse: %w: %s", err, complaints.String())
	}
	var said told
	if err := gob.NewDecoder(&out).Decode(&said); err != nil {
		return "", fmt.Errorf("what the process of the abuse said: %w", err)
	}
	if said.Error != "" {
		return said.Answer, errors.New(said.Error)
	}
	return said.Answer, nil
}
