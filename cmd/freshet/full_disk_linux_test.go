package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/client"
)

// TestFullDisk: a node whose disk has no room, although its log may have more, stores nothing that it doesn't keep: everything that a client was told is stored is
// there when the disk has room again.
func TestFullDisk(t *testing.T) {
	if !*overloadTmpfs {
		t.Log("a disk of its own needs root: make overload does this")
		return
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("a disk of 64 MiB can't be had: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	}()
	asChildren(t)
	program, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	died := make(chan error, 1)
	nodes, err := cluster.New(t.Context(), cluster.Options{Name: "full", Dir: disk, Program: program, Partitions: 1, LogBytes: 256 << 20, Died: func(_ *cluster.Node, err error) { died <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := nodes.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := nodes.Start(ctx); err != nil {
		t.Fatal(err)
	}
	stored := fill(ctx, t, nodes.Target(), died)
	select {
	case err := <-died:
		t.Logf("the node ended: %v", err)
	default:
		t.Log("the node goes on")
		if err := nodes.Nodes()[0].Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	if err := nodes.Start(ctx); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	c, err := client.Connect(ctx, nodes.Target())
	if err != nil {
		t.Fatal(err)
	}
	for len(there) < len(stored) {
		batch, err := c.Queue("full/all").Receive(ctx, 100, client.WithWait(10*time.Second), client.WithMaxBytes(8<<20))
		if err != nil || len(batch.Deliveries) == 0 {
			t.Fatalf("%d of %d events are there: %v", len(there), len(stored), err)
		}
		for _, d := range batch.Deliveries {
			name, _, _ := strings.Cut(string(d.Event.Data), " ")
			there[name] = true
		}
		if _, err := batch.Ack(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range stored {
		if !there[name] {
			t.Errorf("%s is lost", name)
		}
	}
	t.Logf("%d events of 100 kB were stored, all of them are there, and %d whose outcome wasn't known", len(stored), len(there)-len(stored))
	if err := c.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// fill publishes until no more is stored, and returns what is.
func fill(ctx context.Context, t *testing.T, target string, died <-chan error) (stored []string) {
	t.Helper()
	c, err := client.Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Admin().CreateTopic(ctx, client.TopicConfig{Name: "full"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Admin().CreateSubscription(ctx, client.SubscriptionConfig{Name: "full/all", Kind: client.KindQueue}); err != nil {
		t.Fatal(err)
	}
	p, err := c.Producer("full", client.WithCompression(client.CompressionNone))
	if err != nil {
		t.Fatal(err)
	}
	padding := strings.Repeat("x", 100_000)
	for len(died) == 0 {
		name := fmt.Sprintf("event-%d", len(stored))
		bound, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := p.Publish(bound, client.Event{Data: []byte(name + " " + padding), ContentType: "text/plain"})
		cancel()
		if err != nil {
			t.Logf("event %d wasn't stored: %v", len(stored), err)
			break
		}
		stored = append(stored, name)
	}
	ending, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := c.Shutdown(ending); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Log(err)
	}
	return stored
}
