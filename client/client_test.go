package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestConnectWaits for a node that isn't there yet, and for one that is starting.
func TestConnectWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startFake(t)
		n.setDown(true)
		starting := &Error{Code: CodeUnavailable, Message: "the node is starting", Retryable: true}
		n.mu.describes = []error{starting.GRPCStatus().Err(), starting.GRPCStatus().Err()}
		go func() {
			<-time.After(10 * time.Second)
			n.setDown(false)
		}()
		began := time.Now()
		c := n.connect(t)
		if took := time.Since(began); took < 10*time.Second || took > 20*time.Second {
			t.Errorf("connected after %v", took)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestConnectSaysWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startFake(t)
		n.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := Connect(ctx, "fake:7600", WithDialer(n.dial))
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "connection refused by the fake") {
			t.Errorf("error %v", err)
		}
		n.setDown(false)
		n.mu.describes = []error{(&Error{Code: CodeUnsupported, Message: "no"}).GRPCStatus().Err()}
		began := time.Now()
		if _, err := Connect(t.Context(), "fake:7600", WithDialer(n.dial)); !definite(err) || time.Since(began) > time.Second {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
	})
}
