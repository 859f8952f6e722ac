package raftlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// twin is a network in one process. Over it go the transport's own messages; what they can't be made to do is done in front of
// the transport.
type twin struct {
	*transport.Network
	mu struct {
		sync.Mutex
		deaf     map[raft.ServerAddress]bool // don't hear TimeoutNow
		installs []recordedInstall
		muted    bool        // nobody gives entries to who fetches
		forged   []*raft.Log // what is given in their place
	}
}

// recordedInstall is an install that was sent, to be repeated.
type recordedInstall struct {
	group   GroupNumber
	to      raft.ServerAddress
	request raft.InstallSnapshotRequest
	data    []byte
}

func newTwin(seed uint64) *twin {
	t := &twin{Network: transport.NewNetwork(seed)}
	t.mu.deaf = map[raft.ServerAddress]bool{}
	return t
}

// latency makes each message take a while.
func (t *twin) latency(d time.Duration) { t.SetFaults(transport.Faults{DelayMin: d, DelayMax: d}) }

// sever cuts both ways between two nodes.
func (t *twin) sever(a, b raft.ServerAddress, on bool) { t.CutBoth(string(a), string(b), on) }

// mute makes nobody give entries to who fetches.
func (t *twin) mute(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.muted = on
}

// forge makes everybody give these entries to who fetches.
func (t *twin) forge(entries []*raft.Log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.forged = entries
}

// deaf makes a node hear no order to take over.
func (t *twin) deaf(address raft.ServerAddress, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.deaf[address] = on
}

// installs returns those that were sent so far.
func (t *twin) installs() []recordedInstall {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]recordedInstall{}, t.mu.installs...)
}

// connect is a node's NodeOptions.Connect.
func (t *twin) connect(address raft.ServerAddress) func(Hooks) (Transport, error) {
	return func(hooks Hooks) (Transport, error) {
		streams, err := t.Listen(string(address))
		if err != nil {
			return nil, err
		}
		under, err := Connect(transport.Options{Streams: streams, Cluster: [16]byte{1}, Random: t.Random})(hooks)
		if err != nil {
			return nil, err
		}
		return &twinNode{Transport: under, twin: t}, nil
	}
}

// twinNode implements Transport.
type twinNode struct {
	Transport
	twin *twin
}

func (n *twinNode) Group(number GroupNumber) GroupTransport {
	return &twinGroup{GroupTransport: n.Transport.Group(number), twin: n.twin, number: number}
}

func (n *twinNode) Fetch(ctx context.Context, peer raft.ServerAddress, group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
	n.twin.mu.Lock()
	muted, forged := n.twin.mu.muted, n.twin.mu.forged
	n.twin.mu.Unlock()
	switch {
	case forged != nil:
		return forged, nil
	case muted:
		return nil, nil
	}
	return n.Transport.Fetch(ctx, peer, group, from, to, bytesMax)
}

// twinGroup implements GroupTransport.
type twinGroup struct {
	GroupTransport
	twin   *twin
	number GroupNumber
}

func (g *twinGroup) TimeoutNow(id raft.ServerID, to raft.ServerAddress, request *raft.TimeoutNowRequest, response *raft.TimeoutNowResponse) error {
	g.twin.mu.Lock()
	deaf := g.twin.mu.deaf[to]
	g.twin.mu.Unlock()
	if deaf {
		pause(context.Background(), time.Second)
		return errors.New("twin: it is deaf")
	}
	return g.GroupTransport.TimeoutNow(id, to, request, response)
}

func (g *twinGroup) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, stream io.Reader) error {
	data, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	g.twin.mu.Lock()
	g.twin.mu.installs = append(g.twin.mu.installs, recordedInstall{g.number, to, *request, data})
	g.twin.mu.Unlock()
	return g.GroupTransport.InstallSnapshot(id, to, request, response, bytes.NewReader(data))
}
