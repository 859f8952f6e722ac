package wal

import (
	"cmp"
	"fmt"
	"slices"
)

// Reason is why a group keeps the oldest segment.
type Reason uint8

const (
	// ReasonRetained: its owner wants to read entries in it.
	ReasonRetained Reason = iota + 1
	// ReasonCheckpoint: no durable checkpoint covers entries in it.
	ReasonCheckpoint
)

// String names the reason.
func (r Reason) String() string {
	switch r {
	case ReasonRetained:
		return "retained"
	case ReasonCheckpoint:
		return "checkpoint"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Pin is a group that keeps the oldest segment, and with it all others.
type Pin struct {
	Group GroupID
	Why   Reason
	// Oldest is the first entry that is wanted.
	Oldest uint64
	// Bytes of the group's entries from there on, in all segments, less what no reason keeps.
	Bytes int64
}

// Pins lists who keeps the oldest segment, most bytes first. While there is but one segment nothing is kept from going.
func (l *Log) Pins() []Pin {
	sealed := l.segments.sealed(1)
	if len(sealed) == 0 {
		return nil
	}
	w := l.weigh(sealed[0])
	var pins []Pin
	for _, gw := range w.groups {
		if gw.wanted == 0 {
			continue
		}
		g := gw.group
		pin := Pin{Group: g.id, Why: ReasonCheckpoint, Oldest: max(g.floor(), g.Usage().Oldest), Bytes: g.Usage().Bytes}
		if gw.retained > 0 {
			pin.Why = ReasonRetained
		}
		pins = append(pins, pin)
	}
	slices.SortFunc(pins, func(a, b Pin) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return pins
}

// Usage says how full the log is.
type Usage struct {
	// Bytes in use: whole segments, but for the active one, of which what is written counts.
	Bytes int64
	// BytesMax is how many there may be. While the disk has no room for another segment it is what is allocated.
	BytesMax int64
	// Segments in use, and Spares beside them.
	Segments, Spares int
	// DiskFull says that the disk has refused another segment.
	DiskFull bool
}

// Usage returns how full the log is now. Its owner is expected to refuse what makes it grow from nine tenths of BytesMax on,
// so that what lets it shrink again always has room.
func (l *Log) Usage() Usage {
	l.spares.mu.Lock()
	u := Usage{BytesMax: l.options.BytesMax, Spares: len(l.spares.mu.list), DiskFull: l.spares.mu.diskFull}
	l.spares.mu.Unlock()
	l.segments.mu.RLock()
	defer l.segments.mu.RUnlock()
	for _, s := range l.segments.mu.list {
		u.Bytes += s.segmentBytes
	}
	u.Segments = len(l.segments.mu.list)
	if u.DiskFull {
		u.BytesMax = min(u.BytesMax, u.Bytes+int64(u.Spares)*l.options.SegmentBytes)
	}
	if written := l.writer.activeEnd.Load(); written > 0 {
		u.Bytes += written - l.options.SegmentBytes
	}
	return u
}
