package raftlog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"

	"github.com/freshet-mq/freshet/raftlog"
)

// counter adds up the lengths of the commands.
type counter struct{ bytes uint64 }

func (c *counter) Apply(entry raftlog.Entry) any {
	c.bytes += uint64(len(entry.Data))
	return c.bytes
}

func (c *counter) Snapshot(bool) ([]raftlog.Record, error) {
	return []raftlog.Record{{Key: []byte("bytes"), Value: binary.BigEndian.AppendUint64(nil, c.bytes)}}, nil
}

func (c *counter) Restore(records iter.Seq2[raftlog.Record, error]) error {
	for record, err := range records {
		if err != nil {
			return err
		}
		if len(record.Value) != 8 {
			return fmt.Errorf("a state of %d bytes", len(record.Value))
		}
		c.bytes = binary.BigEndian.Uint64(record.Value)
	}
	return nil
}

// A group is opened, leads, applies a command, and gives its bytes back.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// leading: true
	// 5 bytes so far
	// read again: hello
}

func example(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "raftlog")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	group, err := raftlog.Open(raftlog.Options{
		Dir: dir, Node: "n1", Name: "p0", Machine: &counter{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.Close()) }()

	leadership := <-group.Leadership()
	fmt.Println("leading:", leadership.Leading)

	applied, err := group.Propose([]byte("hello")).Wait(ctx)
	if err != nil {
		return err // errors.Is(err, raftlog.ErrOutcomeUnknown): it may have been applied
	}
	fmt.Println(applied.Result, "bytes so far")

	entry, err := group.Read(applied.Index)
	if err != nil {
		return err
	}
	fmt.Println("read again:", string(entry.Data))
	return nil
}
