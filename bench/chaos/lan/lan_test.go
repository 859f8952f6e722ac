package lan

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// TestNetwork has two hosts talk over good links, slow ones, lossy ones and none. It
// needs root: without, New says what is missing, and that is all there is to see.
func TestNetwork(t *testing.T) {
	n, err := New(2)
	if err != nil {
		t.Log(err)
		return
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	var listener net.Listener
	if err := n.Host(1).Do(func() (err error) {
		listener, err = net.Listen("tcp", n.Host(1).Address()+":0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // the test is over
	go func() {                             // an echo, until the listener ends
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := n.Host(0).Dial(ctx, "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the same
	echo := func(within time.Duration) error {
		if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(make([]byte, 40_000)); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, make([]byte, 40_000))
		return err
	}
	there, back := n.Link(0, 1), n.Link(1, 0)
	if err := echo(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	there.Set(Shape{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond})
	began := time.Now()
	if err := echo(10 * time.Second); err != nil || time.Since(began) < 20*time.Millisecond {
		t.Errorf("delayed by 20 ms: %v after %v", err, time.Since(began))
	}
	there.Set(Shape{Loss: 200})
	back.Set(Shape{Loss: 200})
	if err := echo(20 * time.Second); err != nil {
		t.Errorf("TCP over a lossy link: %v", err)
	}
	n.Heal()
	back.Set(Shape{Cut: true}) // one way
	_, _, before := back.Counts()
	if err := echo(300 * time.Millisecond); err == nil {
		t.Error("an echo over a cut link")
	}
	if _, _, lost := back.Counts(); lost == before {
		t.Error("nothing was lost on a cut link")
	}
	if _, delayed, _ := there.Counts(); delayed == 0 {
		t.Error("nothing was delayed")
	}
}
