package transport

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// heartbeatPair runs a test in virtual time with two nodes, n2 of which answers for some groups.
func heartbeatPair(t *testing.T, run func(t *testing.T, from, to *testNode, hanging *atomic.Bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(1)
		t.Cleanup(network.Close)
		var hanging atomic.Bool
		nodes := twinNodes(t, network, func(_ string, o *Options) {
			o.HeartbeatEvery, o.Withhold = 300*time.Millisecond, hanging.Load
		}, "n1", "n2")
		for number := GroupNumber(1); number < 9; number++ {
			nodes[1].answering(t, number, agree)
		}
		if err := appendTo(nodes[0], 1, "n2", nil); err != nil { // there is a connection, and the clock is just behind a multiple
			t.Fatal(err)
		}
		run(t, nodes[0], nodes[1], &hanging)
	})
}

// TestHeartbeatsTogether has heartbeats of eight groups come at different moments, and leave in one write.
func TestHeartbeatsTogether(t *testing.T) {
	heartbeatPair(t, func(t *testing.T, from, to *testNode, _ *atomic.Bool) {
		for round := range 3 {
			synctest.Wait() // writers count when they have written
			before := from.Stats()
			began := time.Now()
			var calls sync.WaitGroup
			for number := GroupNumber(1); number < 9; number++ {
				calls.Go(func() {
					<-time.After(time.Duration(number) * 20 * time.Millisecond) // it stands for the library's random moments
					if err := appendTo(from, number, "n2", nil); err != nil {
						t.Error(err)
					}
				})
			}
			calls.Wait()
			synctest.Wait()
			after := from.Stats()
			if took := time.Since(began); took > 300*time.Millisecond {
				t.Errorf("round %d took %v; expected at most 300ms", round, took)
			}
			if frames, writes := after.FramesSent-before.FramesSent, after.Writes-before.Writes; frames < 8 || writes > frames-7 {
				t.Errorf("round %d: %d frames in %d writes", round, frames, writes)
			}
		}
	})
}

// TestHeartbeatsHasten: who is in a hurry doesn't wait, nor for what is held already; entries never wait.
func TestHeartbeatsHasten(t *testing.T) {
	heartbeatPair(t, func(t *testing.T, from, _ *testNode, _ *atomic.Bool) {
		took := func(do func()) time.Duration {
			began := time.Now()
			do()
			return time.Since(began)
		}
		beat := func(number GroupNumber) func() {
			return func() {
				if err := appendTo(from, number, "n2", nil); err != nil {
					t.Error(err)
				}
			}
		}
		if d := took(beat(2)); d < 200*time.Millisecond {
			t.Errorf("a heartbeat took %v; it was to wait", d)
		}
		var err error
		if d := took(func() { err = appendTo(from, 2, "n2", entriesOf(1, 1, 10)) }); err != nil || d > 10*time.Millisecond {
			t.Errorf("entries took %v: %v", d, err)
		}
		var held sync.WaitGroup
		var heldFor time.Duration
		held.Go(func() { heldFor = took(beat(2)) })
		synctest.Wait()
		enough := from.Group(2).Hasten()
		held.Wait()
		if d := took(beat(2)); heldFor > 10*time.Millisecond || d > 10*time.Millisecond {
			t.Errorf("in a hurry, what was held took %v, the next %v", heldFor, d)
		}
		enough()
		enough()
		if d := took(beat(2)); d < 100*time.Millisecond {
			t.Errorf("after the hurry a heartbeat took %v; it was to wait", d)
		}
	})
}

// TestHeartbeatsHeld: what is held when the disk stops, or the connection breaks, or the group closes, is not sent, and its caller hears of it.
func TestHeartbeatsHeld(t *testing.T) {
	for what, expected := range map[string]error{"disk": ErrWithheld, "peer": ErrBroken, "group": ErrClosed, "transport": nil} {
		t.Run(what, func(t *testing.T) {
			heartbeatPair(t, func(t *testing.T, from, to *testNode, hanging *atomic.Bool) {
				synctest.Wait()
				before := to.Stats().Requests
				var held sync.WaitGroup
				var err error
				held.Go(func() { err = appendTo(from, 3, "n2", nil) })
				synctest.Wait()
				var closing error
				switch what {
				case "disk":
					hanging.Store(true)
				case "peer":
					closing = to.Close()
				case "group":
					closing = from.Group(3).Close()
				case "transport":
					closing = from.Close()
				}
				held.Wait()
				if closing != nil || err == nil || expected != nil && !errors.Is(err, expected) {
					t.Errorf("%v, %v; expected %v", closing, err, expected)
				}
				<-time.After(time.Second)
				if n := to.Stats().Requests; n != before {
					t.Errorf("%d requests came after all", n-before)
				}
			})
		})
	}
}
