package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// exitCode is how the process ends. The numbers are for scripts and never
// change their meaning.
type exitCode int

// The exit codes.
const (
	exitOK          exitCode = 0 // done
	exitFailed      exitCode = 1 // not done, or a check says no
	exitUsage       exitCode = 2 // the command line or the configuration can't be meant like this
	exitNotFound    exitCode = 3 // a topic, a subscription or a partition isn't there
	exitConflict    exitCode = 4 // something else is in the way: a name, a lease, a port
	exitUnavailable exitCode = 5 // nobody there to do it; try again
	exitPartly      exitCode = 6 // some of it is done, the message says what
)

func (c exitCode) String() string {
	names := [...]string{"ok", "failed", "usage", "not found", "conflict", "unavailable", "partly done"}
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("exit %d", int(c))
	}
	return names[c]
}

// failureCode is the stable number of a refusal: those of the wire
// (freshetv1.ErrorCode), and the six thousands, which are about this machine
// and never cross a wire.
type failureCode int32

// Codes about this machine.
const (
	codePortTaken  failureCode = 6001 // another process listens there
	codeDiskFull   failureCode = 6002 // not enough room on a disk to begin
	codeFile       failureCode = 6003 // a file can't be read or written
	codeCommand    failureCode = 6004 // a command that was to be run failed
	codePartlyDone failureCode = 6005 // some of it is done

	codeNoDeadLetter failureCode = 6006 // an event isn't a dead letter
	codeNoNode       failureCode = 6007 // a playground has no such node
	codeNodeState    failureCode = 6008 // a playground's node isn't in the state for that

	codeNodeEnded failureCode = 6009 // a node can't write or read its disk, or has found it damaged
	codeDiffers   failureCode = 6010 // a node's replica of a partition isn't what its leader has
)

// Codes of the wire that the program itself gives out.
const (
	codeArgument    = failureCode(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED)
	codePattern     = failureCode(freshetv1.ErrorCode_ERROR_CODE_PATTERN_REFUSED)
	codeUnsupported = failureCode(freshetv1.ErrorCode_ERROR_CODE_UNSUPPORTED)
	codeLimit       = failureCode(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED)
	codeUnavailable = failureCode(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE)
	codeUnknown     = failureCode(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN)
	codeInternal    = failureCode(freshetv1.ErrorCode_ERROR_CODE_INTERNAL)
)

func (c failureCode) String() string { return fmt.Sprintf("FR%04d", int32(c)) }

// exitOf keeps C2: one code, one exit code.
func exitOf(code failureCode) exitCode {
	if exit, ok := exitExceptions[code]; ok {
		return exit
	}
	switch code / 1000 { // the thousands say what to do (errors.proto)
	case 1:
		return exitNotFound
	case 4:
		return exitConflict
	case 5:
		return exitUnavailable
	default:
		return exitFailed
	}
}

// exitExceptions are the codes whose thousands don't decide.
var exitExceptions = map[failureCode]exitCode{
	failureCode(freshetv1.ErrorCode_ERROR_CODE_TOPIC_EXISTS):        exitConflict,
	failureCode(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_EXISTS): exitConflict,
	failureCode(freshetv1.ErrorCode_ERROR_CODE_NAME_REFUSED):        exitUsage,
	failureCode(freshetv1.ErrorCode_ERROR_CODE_LOG_FULL):            exitUnavailable,
	failureCode(freshetv1.ErrorCode_ERROR_CODE_BUSY):                exitUnavailable,
	failureCode(freshetv1.ErrorCode_ERROR_CODE_ROUTE_CHANGED):       exitUnavailable,
	codeArgument:    exitUsage,
	codeUnsupported: exitUsage,
	codePortTaken:   exitConflict,
	codePartlyDone:  exitPartly,

	codeNoDeadLetter: exitNotFound,
	codeNoNode:       exitNotFound,
	codeNodeState:    exitConflict,
}

// failure is what a person is told when something went wrong. It is written as
//
//	freshet: what happened (FR1004)
//	  what was seen
//	  try: what to do
type failure struct {
	code failureCode
	what string   // what happened: lower case, no full stop
	at   string   // where, behind the code: "$.detail, line 1, column 9"; or empty
	seen []string // what was seen, a line each
	try  []string // what to do, a line each: commands that work when pasted
	// bare leaves the program's name off: the text is the answer that was
	// asked for, not an accident on the way.
	bare  bool
	cause error
}

// errAnswerIsNo ends a command with exit code 1 and without a message: its
// answer stands on standard output, and it is no.
var errAnswerIsNo = errors.New("the answer is no")

func (f *failure) Error() string  { return strings.TrimSuffix(f.text(), "\n") }
func (f *failure) Unwrap() error  { return f.cause }
func (f *failure) exit() exitCode { return exitOf(f.code) }

// text is the whole message, ending in a line feed.
func (f *failure) text() string {
	var b strings.Builder
	if !f.bare {
		b.WriteString("freshet: ")
	}
	fmt.Fprintf(&b, "%s (%s)", f.what, f.code)
	if f.at != "" {
		b.WriteString(" at " + f.at)
	}
	b.WriteByte('\n')
	for _, line := range f.seen {
		b.WriteString("  " + line + "\n")
	}
	for _, line := range f.try {
		b.WriteString("  try: " + line + "\n")
	}
	return b.String()
}

// failureOf gives any error the form of a failure. args is the command line.
func failureOf(err error, args []string) *failure {
	if already, ok := errors.AsType[*failure](err); ok {
		return already
	}
	if fromWire, ok := wireFailure(err, args); ok {
		return fromWire
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &failure{code: codeUnknown, what: "interrupted before it was done", cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{code: codeUnknown, what: "no answer in time", try: []string{"the same again with a longer --timeout"}, cause: err}
	}
	return &failure{code: codeInternal, what: err.Error(), cause: err}
}

// usageFailure is a refusal of what stands on the command line.
func usageFailure(what string, seen ...string) *failure {
	return &failure{code: codeArgument, what: what, seen: seen}
}

// trying adds a line of what to do.
func (f *failure) trying(lines ...string) *failure {
	f.try = append(f.try, lines...)
	return f
}
