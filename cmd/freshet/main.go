package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// version is set by the linker: make build says what git describe says.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A while after the first signal the default comes back: another one then
	// ends a process that takes too long over its goodbye. One that follows at once
	// is the same word said twice: timeout(1) tells its child, then the child's
	// whole group.
	context.AfterFunc(ctx, func() { time.AfterFunc(patience, stop) })

	code := run(ctx, os.Args[1:], surroundings{
		stdin:       os.Stdin,
		stdout:      os.Stdout,
		stderr:      os.Stderr,
		terminal:    term.IsTerminal(int(os.Stdout.Fd())),
		logTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		width:       terminalWidth,
		lookup:      os.LookupEnv,
	})
	stop()
	os.Exit(int(code))
}

// patience is how long further signals are passed over once one has come.
const patience = time.Second

// surroundings is all that a command sees of the process it runs in, so that
// tests can run commands without one.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// terminal says whether stdout is one: only there tables are cut to fit.
	terminal bool
	// logTerminal says whether stderr is one: there a node's log is for people.
	logTerminal bool
	// width of the terminal in columns, asked anew for each table.
	width func() int
	// lookup is os.LookupEnv.
	lookup func(name string) (string, bool)
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, around surroundings) exitCode {
	command, err := parse(args, around)
	if err == nil && command != nil {
		err = command(ctx)
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errAnswerIsNo) {
		return exitFailed
	}
	failed := failureOf(err, args)
	if _, err := io.WriteString(around.stderr, failed.text()); err != nil {
		return exitFailed // nobody is left to tell
	}
	return failed.exit()
}

// terminalWidth returns the columns of the terminal on standard output, or 80.
func terminalWidth() int {
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}
