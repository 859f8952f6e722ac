package wal

// turn is a lock that is held while the disk is waited for. Whoever wants it waits on a channel: to testing/synctest that is waiting, as
// a mutex isn't, so that a disk may take its time in virtual time too.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock waits for the turn.
func (t turn) Lock() { t <- struct{}{} }

// Unlock gives it to the next.
func (t turn) Unlock() { <-t }
