package transport

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// zeros is a snapshot without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestInstallNobodyReads sends a snapshot to a follower that takes it and reads nothing: it ends some time, and its stream with it.
func TestInstallNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(1)
		t.Cleanup(network.Close)
		nodes := twinNodes(t, network, func(string, *Options) {}, "n1", "n2")
		g := nodes[1].Group(2)
		taken := make(chan raft.RPC, 1)
		go func() { taken <- <-g.Consumer() }()
		start := time.Now()
		request := &raft.InstallSnapshotRequest{Size: 1 << 30}
		err := nodes[0].Group(2).InstallSnapshot("n2", "n2", request, &raft.InstallSnapshotResponse{}, zeros{})
		if took := time.Since(start); !errors.Is(err, ErrBroken) || took > time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
		rpc := <-taken
		if _, err := io.Copy(io.Discard, rpc.Reader); err == nil {
			t.Error("the follower took what it was sent for all of the snapshot")
		}
		rpc.Respond(nil, errors.New("broken"))
	})
}

// TestInstallTakesLong sends a snapshot to a follower that needs minutes to restore it, and one that goes away meanwhile.
func TestInstallTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(1)
		t.Cleanup(network.Close)
		nodes := twinNodes(t, network, func(string, *Options) {}, "n1", "n2")
		g := nodes[1].Group(2)
		go func() {
			for range 3 {
				rpc := <-g.Consumer()
				n, err := io.Copy(io.Discard, rpc.Reader)
				pass(3 * time.Minute)
				rpc.Respond(&raft.InstallSnapshotResponse{Success: n == 1<<20, Term: 1}, err)
			}
		}()
		install := func() (time.Duration, error) {
			start := time.Now()
			request := &raft.InstallSnapshotRequest{Size: 1 << 20}
			var response raft.InstallSnapshotResponse
			err := nodes[0].Group(2).InstallSnapshot("n2", "n2", request, &response, zeros{})
			if err == nil && !response.Success {
				err = errors.New("no success")
			}
			return time.Since(start), err
		}
		if took, err := install(); err != nil || took < 3*time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
		time.AfterFunc(time.Minute, func() { network.CutBoth("n1", "n2", true) })
		if took, err := install(); !errors.Is(err, ErrBroken) || took > 70*time.Second {
			t.Errorf("cut off, after %v: %v", took, err)
		}
		network.CutBoth("n1", "n2", false)
		if n := network.Installs(); n != 2 {
			t.Errorf("%d installs were recorded", n)
		}
		if err := network.ReplayInstall(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
}

// TestInstallRefused answers before the snapshot was read.
func TestInstallRefused(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c)
		s.to.answering(t, 1, func(rpc raft.RPC) { rpc.Respond(nil, errors.New("closed")) })
		request := &raft.InstallSnapshotRequest{Size: 100 << 20}
		for number, want := range map[GroupNumber]string{1: "closed", 2: ErrUnknownGroup.Error()} {
			err := s.from.Group(number).InstallSnapshot("n2", s.target, request, &raft.InstallSnapshotResponse{}, zeros{})
			// Over TCP the answer may be lost with the connection, when too much is under way.
			if err == nil || err.Error() != want && !errors.Is(err, ErrBroken) {
				t.Errorf("group %d: %v", number, err)
			}
		}
	})
}
