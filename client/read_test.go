package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func publishRaw(t *testing.T, c *Client, from, to int) {
	t.Helper()
	p := newProducer(t, c)
	for i := from; i < to; i++ {
		if _, err := p.Publish(t.Context(), raw(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll returns the offsets that a Read yields, and its errors.
func readAll(ctx context.Context, t *testing.T, c *Client, opts ...ReadOption) (got []uint64, errs []error) {
	t.Helper()
	for stored, err := range c.Read(ctx, "orders", opts...) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if want := fmt.Sprintf(`{"source":"test","n":%d}`, stored.Offset); string(stored.Event.Data) != want {
			t.Errorf("offset %d: %s", stored.Offset, stored.Event.Data)
		}
		got = append(got, stored.Offset)
	}
	return got, errs
}

func TestRead(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		publishRaw(t, c, 0, 3)
		<-time.After(time.Minute)
		later := time.Now()
		publishRaw(t, c, 3, 6)
		for _, test := range []struct {
			name string
			opts []ReadOption
			want string
		}{
			{"from now", nil, "[]"},
			{"earliest", []ReadOption{FromEarliest()}, "[0 1 2 3 4 5]"},
			{"offset", []ReadOption{FromOffset(4)}, "[4 5]"},
			{"time", []ReadOption{FromTime(later)}, "[3 4 5]"},
			{"the last one counts", []ReadOption{FromOffset(4), FromTime(later), FromEarliest()}, "[0 1 2 3 4 5]"},
		} {
			if got, errs := readAll(t.Context(), t, c, test.opts...); fmt.Sprint(got) != test.want || errs != nil {
				t.Errorf("%s: %v, %v", test.name, got, errs)
			}
		}
		n.look(func() { n.mu.topics["orders"].held = 2 })
		got, errs := readAll(t.Context(), t, c, FromOffset(0))
		if len(errs) != 1 || fmt.Sprint(got) != "[2 3 4 5]" {
			t.Fatalf("truncated: %v, %v", got, errs)
		}
		if gap, ok := errors.AsType[*TruncatedError](errs[0]); !ok || gap.Before != 2 {
			t.Errorf("truncated: %v", errs[0])
		}
		for _, err := range c.Read(t.Context(), "orders", FromEarliest()) {
			if err == nil {
				break // a caller who wants no more
			}
		}
		if _, errs := func() (_ []uint64, errs []error) {
			for _, err := range c.Read(t.Context(), "order", FromEarliest()) {
				errs = append(errs, err)
			}
			return nil, errs
		}(); len(errs) != 1 || !errors.Is(errs[0], ErrNotFound) {
			t.Errorf("unknown topic: %v", errs)
		}
	})
}

// TestReadFollows over breaks, without a gap and without a repetition, until its context ends.
func TestReadFollows(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan string)
		go func() {
			got, errs := readAll(ctx, t, c, FromEarliest(), WithFollow())
			done <- fmt.Sprint(got, errs)
		}()
		for i := range 5 {
			publishRaw(t, c, 2*i, 2*i+2)
			synctest.Wait()
			n.breakAll()
			<-time.After(2 * time.Second)
		}
		cancel()
		if got := <-done; got != "[0 1 2 3 4 5 6 7 8 9] []" {
			t.Error(got)
		}
	})
}

// TestReadFromNowGoesOn: from where it began, also when nothing was read before the connection broke, and events passed meanwhile.
func TestReadFromNowGoesOn(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		publishRaw(t, c, 0, 2)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan string)
		go func() {
			got, errs := readAll(ctx, t, c, WithFollow())
			done <- fmt.Sprint(got, errs)
		}()
		synctest.Wait()
		n.breakAll()
		publishRaw(t, c, 2, 4)
		<-time.After(5 * time.Second)
		cancel()
		if got := <-done; got != "[2 3] []" {
			t.Error(got)
		}
	})
}
