package raftlog

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// bridge hands what the library logs to slog. It is a sink of hclog's intercepting logger: that way one method stands
// for hclog's two dozen.
type bridge struct {
	to *slog.Logger
}

// newRaftLogger returns a logger for the library that writes to `to` alone.
func newRaftLogger(to *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Output: io.Discard, Level: hclog.Off})
	logger.RegisterSink(&bridge{to: to})
	return logger
}

// everyday is what the library calls errors and what happens, for each group many times a second, while a peer is away or far
// behind. The transport says once that a peer is away.
var everyday = map[string]bool{
	"failed to heartbeat to":                    true,
	"failed to appendEntries to":                true,
	"failed to pipeline appendEntries":          true,
	"failed to start pipeline replication to":   true,
	"failed to make requestVote RPC":            true,
	"failed to get log":                         true, // and so sends a snapshot
	"failed to send snapshot to":                true,
	"failed to install snapshot":                true,
	"failed to create snapshot to install":      true, // an install that is not needed
	"failed to take snapshot":                   true, // the group says so
	"skipping application of old log":           true, // after an install
	"peer has newer term, stopping replication": true,
	"failed to contact":                         true,
}

// Accept implements hclog.SinkAdapter. The library's levels are one too loud for us: each election is a warning to it,
// each checkpoint several lines of information.
func (b *bridge) Accept(name string, level hclog.Level, msg string, args ...any) {
	if everyday[msg] {
		level = hclog.Debug
	}
	log := b.to.Debug
	switch level {
	case hclog.Warn:
		log = b.to.Info
	case hclog.Error:
		log = b.to.Error
	case hclog.NoLevel, hclog.Trace, hclog.Debug, hclog.Info, hclog.Off:
	}
	attributes := []any{"from", name}
	for _, arg := range args {
		if format, ok := arg.(hclog.Format); ok && len(format) > 0 {
			arg = fmt.Sprintf(fmt.Sprint(format[0]), format[1:]...)
		}
		attributes = append(attributes, arg)
	}
	log(msg, attributes...)
}
