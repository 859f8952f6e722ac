package clients

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	// consumingClients are how many clients consume; one more publishes in each way, and one asks.
	consumingClients = 2
	publishingWays   = 3
	// goodbye bounds the end of clients.
	goodbye = 5 * time.Second
)

// Clients are all that use a cluster.
type Clients struct {
	Options
	recorder *history.Recorder
	subs     []subscription
	readers  []reader
	// all are the one that asks, then those that publish, then those that consume.
	all []*client.Client
	// messages and consumers are the last numbers that were given, batches those of one-shot requests.
	messages           atomic.Uint64
	consumers, batches atomic.Uint32
	// full is set when the history has no room: then nothing more is decided.
	full atomic.Bool
}

// New makes clients that aren't connected yet. The recorder's clock begins.
func New(o Options) (*Clients, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Clients{Options: o, recorder: history.New(0), subs: subscriptions()}, nil
}

// Recorder is where all is noted; whoever breaks the cluster notes its faults there.
func (c *Clients) Recorder() *history.Recorder { return c.recorder }

// Admin asks the cluster. It is there once Start has returned.
func (c *Clients) Admin() *client.Admin { return c.all[0].Admin() }

// publishing are the clients that publish, consuming those that consume.
func (c *Clients) publishing() []*client.Client { return c.all[1 : 1+publishingWays] }
func (c *Clients) consuming() []*client.Client  { return c.all[1+publishingWays:] }

// Start connects to a cluster that serves, and makes the topic and its first subscriptions.
func (c *Clients) Start(ctx context.Context) error {
	targets := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		targets[i] = n.Target
	}
	for range 1 + publishingWays + consumingClients {
		one, err := c.Connect(ctx, strings.Join(targets, ","))
		if err != nil {
			return err
		}
		c.all = append(c.all, one)
	}
	if _, _, err := c.Admin().CreateTopic(ctx, client.TopicConfig{Name: c.Topic, Partitions: c.Partitions}); err != nil {
		return err
	}
	var err error
	if c.readers, err = readersOf(c.subs, c.recorder); err != nil {
		return err
	}
	making, within := errgroup.WithContext(ctx)
	for i := range c.subs {
		if !c.subs[i].late {
			making.Go(func() error { return c.make(within, &c.subs[i]) })
		}
	}
	return making.Wait()
}

// Close ends all connections.
func (c *Clients) Close(ctx context.Context) { disconnect(ctx, c.all) }

// disconnect ends clients.
func disconnect(ctx context.Context, clients []*client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { _ = c.Shutdown(ctx) }) // what it complains of has been written down where it happened
	}
	all.Wait()
}

// Drawer is a seed's randomness for one purpose: who draws when changes nothing for others.
func Drawer(seed uint64, purpose string) *rand.Rand {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(purpose))               // a hash takes everything
	return rand.New(rand.NewPCG(seed, hash.Sum64())) //nolint:gosec // a seed replays
}

// Pause waits, and reports whether ctx is still good.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
