package transport

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

var (
	// ErrClosed fails what is asked of a transport or group that was closed, or is being closed meanwhile.
	ErrClosed = fmt.Errorf("transport: closed: %w", raft.ErrTransportShutdown)
	// ErrTimeout fails a message that was not answered in time. Whether it was received is unknown.
	ErrTimeout = errors.New("transport: no answer in time")
	// ErrBroken fails a message whose connection broke. Whether it was received is unknown.
	ErrBroken = errors.New("transport: the connection broke")
	// ErrWithheld fails a message that this node must not send now (Options.Withhold).
	ErrWithheld = errors.New("transport: withheld, since this node's disk does not answer")
	// ErrForeign fails a connection to a node of another cluster, or of a version that this one doesn't know.
	ErrForeign = errors.New("transport: foreign node")
	// ErrOtherNode fails a message to an address where a node of another name answers.
	ErrOtherNode = errors.New("transport: another node answers at the address")
	// ErrUnknownGroup fails a message for a group that the peer does not run.
	ErrUnknownGroup = errors.New("transport: the peer does not run the group")
	// ErrBusy fails a message that the peer has no room for.
	ErrBusy = errors.New("transport: the peer has no room for the message")
	// ErrTooLarge fails what can't be sent because a part of it is larger than its limit.
	ErrTooLarge = errors.New("transport: too large")
	// ErrCorrupt marks what was received and can't be what was sent. The connection is closed then.
	ErrCorrupt = errors.New("transport: corrupt frame")
)

// RemoteError is what the peer's group answered in place of, or beside, a response.
type RemoteError struct {
	Text string
}

// Error returns the text as the peer's group gave it: the library looks for words in it.
func (e *RemoteError) Error() string { return e.Text }
