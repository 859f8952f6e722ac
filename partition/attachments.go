package partition

import (
	"sync"
)

// attachments finds the attachment of a session.
type attachments struct {
	mu struct {
		sync.Mutex
		bySession map[SessionID]*Attachment
		closed    bool
	}
}

func (as *attachments) init() { as.mu.bySession = map[SessionID]*Attachment{} }

// add puts an attachment in the place of the one that its session had before, which ends. Close joins it: whoever added it sees to it that joined
// is told, by its goroutine or at once. One that was asked for before that of now is refused here already, and mustn't end it: the machine would refuse it
// (RefusedSuperseded).
func (as *attachments) add(a *Attachment) error {
	as.mu.Lock()
	before := as.mu.bySession[a.session]
	switch {
	case as.mu.closed:
		as.mu.Unlock()
		return ErrUnavailable
	case before != nil && a.asked != 0 && a.asked < before.asked:
		as.mu.Unlock()
		return ErrSuperseded
	}
	if before != nil {
		a.asked = max(a.asked, before.asked)
	}
	a.p.joined.Add(1)
	as.mu.bySession[a.session] = a
	as.mu.Unlock()
	if before != nil {
		before.finish(ErrSuperseded)
	}
	return nil
}

func (as *attachments) remove(a *Attachment) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.mu.bySession[a.session] == a {
		delete(as.mu.bySession, a.session)
	}
}

func (as *attachments) find(s SessionID, c ConnectionID) *Attachment {
	as.mu.Lock()
	defer as.mu.Unlock()
	if a := as.mu.bySession[s]; a != nil && a.connection == c {
		return a
	}
	return nil
}

// endAll ends every attachment, when leadership does, and lets none be added any more when the replica does.
func (as *attachments) endAll(err error, closed bool) {
	as.mu.Lock()
	as.mu.closed = as.mu.closed || closed
	var all []*Attachment
	for _, a := range as.mu.bySession {
		all = append(all, a)
	}
	as.mu.Unlock()
	for _, a := range all {
		a.finish(err)
	}
}
