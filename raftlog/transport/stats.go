package transport

import "sync/atomic"

// Stats counts what a transport has done since it was made.
type Stats struct {
	// Dials that were tried, those that failed, and those of them that were refused.
	Dials, DialsFailed, DialsRefused uint64
	// Accepted connections, and those refused as foreign, unauthenticated or too many.
	Accepted, AcceptsRefused uint64
	// Connections that are open now, on either side.
	Connections int
	// Peers that this node has a connection to, or tries to.
	Peers int

	FramesSent, FramesReceived uint64
	BytesSent, BytesReceived   uint64
	// Writes is how many system calls the frames took.
	Writes uint64

	// Requests were received for groups of this node; RequestsRefused for none, or beyond the window.
	Requests, RequestsRefused uint64
	// Shortened AppendEntries were sent without their last entries, Split ones in several messages.
	Shortened, Split uint64
	// Withheld messages were not sent, since this node's disk does not answer.
	Withheld uint64
	// Timeouts are messages that a peer that is there did not answer in time, Silences connections that were given up.
	Timeouts, Silences uint64
	// AnswersUnwanted came too late, or twice.
	AnswersUnwanted uint64
	// Installs of snapshots that were begun, by this node and by others at this one, and their bytes.
	InstallsSent, InstallsReceived         uint64
	InstallBytesSent, InstallBytesReceived uint64
	// BuffersMade is how often there was no free buffer.
	BuffersMade uint64
	// PeersRefused is how often Options.PeerRefused was called.
	PeersRefused uint64
}

// counters are what Stats is made of.
type counters struct {
	dials, dialsFailed, dialsRefused, accepted, acceptsRefused           atomic.Uint64
	framesSent, framesReceived, bytesSent, bytesReceived, writes         atomic.Uint64
	requestsServed, requestsRefused, shortened, split, withheld          atomic.Uint64
	timeouts, silences, answersUnwanted, buffersMade, peersRefused       atomic.Uint64
	installsSent, installsReceived, installBytesSent, installBytesServed atomic.Uint64
}

// Stats returns what the transport has done until now.
func (t *Transport) Stats() Stats {
	c := &t.counters
	s := Stats{
		Dials: c.dials.Load(), DialsFailed: c.dialsFailed.Load(), DialsRefused: c.dialsRefused.Load(),
		Accepted: c.accepted.Load(), AcceptsRefused: c.acceptsRefused.Load(),
		FramesSent: c.framesSent.Load(), FramesReceived: c.framesReceived.Load(),
		BytesSent: c.bytesSent.Load(), BytesReceived: c.bytesReceived.Load(), Writes: c.writes.Load(),
		Requests: c.requestsServed.Load(), RequestsRefused: c.requestsRefused.Load(),
		Shortened: c.shortened.Load(), Split: c.split.Load(), Withheld: c.withheld.Load(),
		Timeouts: c.timeouts.Load(), Silences: c.silences.Load(), AnswersUnwanted: c.answersUnwanted.Load(),
		InstallsSent: c.installsSent.Load(), InstallsReceived: c.installsReceived.Load(),
		InstallBytesSent: c.installBytesSent.Load(), InstallBytesReceived: c.installBytesServed.Load(),
		BuffersMade: c.buffersMade.Load(), PeersRefused: c.peersRefused.Load(),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Connections, s.Peers = len(t.mu.open), len(t.mu.peers)
	return s
}
