package broker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

var (
	powerCuts = flag.Int("power.cuts", 8, "how often TestPowerCut cuts the power")
	powerSeed = flag.Uint64("power.seed", 1, "the first of TestPowerCut's seeds")
)

const (
	// cutsOfOne is how often the power of one cluster is cut.
	cutsOfOne = 4
	// powerTopics are the topics of a run, each with a queue, and powerPublishers how many publish to each at a time.
	powerTopics     = 2
	powerPublishers = 4
	// powerVisibility is how long leases last: some end while the power is off.
	powerVisibility = 5 * time.Second
	// powerPatience is how long after the last cut everything must be in order again, in virtual time.
	powerPatience = 5 * time.Minute
)

// TestPowerCut cuts the power of all three nodes at once, again and again, while services publish, consume and ack: what no disk had synced is
// gone, all of it or some. Then nothing that a publisher was told is stored may be lost, nor be there twice; nothing that a consumer was told
// is acked may come again; and the replicas agree.
//
// The network and the logs' syncs take virtual time, so that a cut finds messages under way, and bytes that are written and not
// synced.
//
//	go test -run TestPowerCut ./broker -power.cuts 200
//	go test -run TestPowerCut ./broker -power.cuts 4 -power.seed 17    (one of them)
//
// A seed gives the same cuts, not the same run. That it finds what it is for is shown by a mutant that doesn't wait for the disk (bench/mutants, no-sync).
func TestPowerCut(t *testing.T) {
	for done, seed := 0, *powerSeed; done < *powerCuts; done, seed = done+cutsOfOne, seed+1 {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newPowerCut(t, seed).run(min(cutsOfOne, *powerCuts-done)) })
		})
	}
}

// powerCut is one cluster with its services, and the books on them.
type powerCut struct {
	t      *testing.T
	rig    *clusterRig
	random *lockedRand
	// publishing ends the publishers, consuming the consumers, and outcomes those who still wait for the outcome of a publish.
	publishing, consuming, outcomes context.Context //nolint:containedctx // a test's
	quiet, close, giveUp            context.CancelFunc
	publishers, consumers           sync.WaitGroup

	mu struct {
		sync.Mutex
		stored  map[string]bool     // the publisher was told so
		places  map[string]string   // of what has arrived
		acked   map[string]bool     // the consumer was told so
		unsure  map[string]bool     // their acks may have been stored, for all that the consumer was told
		history map[string][]string // what happened to an event
		unknown int                 // publishes of which nobody knows
	}
}

// lockedRand is a seed's randomness for several goroutines.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *lockedRand) between(least, most time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return least + time.Duration(l.r.Int64N(int64(most-least)))
}

func (l *lockedRand) intN(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

func newPowerCut(t *testing.T, seed uint64) *powerCut {
	p := &powerCut{t: t, random: &lockedRand{r: rand.New(rand.NewPCG(seed, 5))}}
	p.mu.stored, p.mu.places, p.mu.acked = map[string]bool{}, map[string]string{}, map[string]bool{}
	p.mu.unsure, p.mu.history = map[string]bool{}, map[string][]string{}
	p.publishing, p.quiet = context.WithCancel(t.Context())
	p.consuming, p.close = context.WithCancel(t.Context())
	t.Cleanup(func() { <-time.After(time.Second) }) // a mutant's syncs go on for a while
	p.outcomes, p.giveUp = context.WithCancel(t.Context())
	p.rig = newClusterRig(t)
	p.rig.network.SetFaults(transport.Faults{DelayMin: 50 * time.Microsecond, DelayMax: 500 * time.Microsecond})
	p.rig.random = rand.New(rand.NewPCG(seed, 6))
	p.rig.quiet = true
	p.rig.attempts = 1_000 // every cut may cost one, and none of these events is to become a dead letter
	p.rig.wrapFS = func(fs vfs.FS) vfs.FS {
		return slowFS{fs, func() time.Duration { return p.random.between(time.Millisecond, 12*time.Millisecond) }}
	}
	p.rig.adjust = func(o *Options) { o.LogBytesMax = logBytesMin }
	return p
}

func topicName(n int) string { return fmt.Sprintf("t%d", n) }

func (p *powerCut) run(cuts int) {
	p.rig.startAll()
	for n := range powerTopics {
		p.rig.create(topicName(n), "q")
	}
	for n := range powerTopics {
		p.work(n)
	}
	for range cuts {
		p.pass(p.random.between(300*time.Millisecond, 3*time.Second))
		p.cut()
	}
	p.pass(time.Second)
	p.quiet()
	giveUp := time.AfterFunc(powerPatience, p.giveUp)
	p.publishers.Wait()
	giveUp.Stop()
	p.settle()
	p.close()
	p.consumers.Wait()
	p.rig.agree()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Logf("%d stored, %d acked, %d acks and %d publishes unknown", len(p.mu.stored), len(p.mu.acked), len(p.mu.unsure), p.mu.unknown)
	if len(p.mu.stored) < 20*cuts {
		p.t.Errorf("only %d events were stored", len(p.mu.stored))
	}
}

// pass lets virtual time pass.
func (p *powerCut) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.t.Context().Done():
	}
}

// cut cuts the power of all nodes, and starts them with what their disks have kept. First the network: what is told later can't be anything that
// the disks don't have.
func (p *powerCut) cut() {
	p.t.Helper()
	unsynced := 0
	if p.random.intN(2) == 0 {
		unsynced = p.random.intN(101)
	}
	for _, m := range p.rig.members {
		p.rig.network.Kill(m.address())
	}
	p.rig.loseAll(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: p.rig.random})
	p.pass(p.random.between(0, 8*time.Second))
	p.rig.startAll()
}

// settle waits until everything that is stored has been acked, and nothing is under way any more.
func (p *powerCut) settle() {
	p.t.Helper()
	end := time.After(powerPatience)
	for {
		lost := ""
		p.mu.Lock()
		for id := range p.mu.stored {
			if !p.mu.acked[id] && !p.mu.unsure[id] {
				lost = id
			}
		}
		p.mu.Unlock()
		if lost == "" {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-end:
			p.mu.Lock()
			history := p.mu.history[lost]
			p.mu.Unlock()
			p.t.Fatalf("%s was stored, and isn't acked after all this time:\n%s\n%s", lost, strings.Join(history, "\n"), p.counts())
		}
	}
}

// noteLockedf writes down what happened to an event, and when.
func (p *powerCut) noteLockedf(id, format string, args ...any) {
	p.mu.history[id] = append(p.mu.history[id], time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

// counts is what the nodes say of the queues.
func (p *powerCut) counts() string {
	var b strings.Builder
	for _, m := range p.rig.running() {
		for n := range powerTopics {
			sub, _ := m.node.metadata.view().Subscription(topicName(n), "q")
			for _, number := range m.node.services.topicOf(sub).Partitions {
				at := m.node.partitions.all[number]
				fmt.Fprintf(&b, "%s %s/q partition %d: %+v, leader %+v\n", m.name, topicName(n), number, at.Counts(partition.SubscriptionID(sub.ID)), at.leader())
			}
		}
	}
	return b.String()
}

// work publishes to a topic and consumes from its queue.
func (p *powerCut) work(n int) {
	topic := topicName(n)
	c, err := client.Connect(p.rig.context(), p.rig.target(), client.WithDialer(p.rig.dial))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), clusterPatience)
		defer cancel()
		if err := c.Shutdown(ctx); err != nil {
			p.t.Errorf("shutdown of a client: %v", err)
		}
	})
	producer, err := c.Producer(topic)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range powerPublishers {
		p.publishers.Go(func() { p.publish(producer, fmt.Sprintf("%s-%d", topic, i)) })
	}
	queue := c.Queue(topic + "/q")
	p.consumers.Go(func() {
		err := queue.Consume(p.consuming, p.handle, client.WithVisibility(powerVisibility), client.WithWindow(64, 1<<20))
		if err != nil && !errors.Is(err, client.ErrUnknownOutcome) {
			p.t.Errorf("consuming: %v", err)
		}
	})
	p.consumers.Go(func() { p.receive(queue) })
}

// publish publishes until it is told to be quiet.
func (p *powerCut) publish(producer *client.Producer, name string) {
	for i := 0; p.publishing.Err() == nil; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		// What is on its way is waited for, also beyond the end: its outcome is what the test is about.
		_, err := producer.Publish(p.outcomes, client.Event{ID: id, Source: "power", DetailType: "cut", Key: name})
		p.mu.Lock()
		switch {
		case err == nil:
			p.mu.stored[id] = true
		case errors.Is(err, client.ErrUnknownOutcome):
			p.mu.unknown++
			if p.outcomes.Err() != nil {
				p.t.Errorf("%s: nobody learns whether it is stored", id)
			}
		default:
			p.t.Errorf("publishing: %v", err)
		}
		p.mu.Unlock()
		select {
		case <-time.After(p.random.between(0, 60*time.Millisecond)):
		case <-p.publishing.Done():
		}
	}
}

// arrived notes an event's arrival, and returns its id.
func (p *powerCut) arrived(d *client.Delivery) string {
	envelope, err := d.Event.Envelope()
	if err != nil {
		p.t.Errorf("an event isn't what was published: %v", err)
	}
	id, place := envelope.ID, fmt.Sprintf("%d@%d", d.Partition, d.Offset)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.acked[id] {
		p.t.Errorf("%s, at %s, was acked, and comes again", id, place)
	}
	if there, ok := p.mu.places[id]; ok && there != place {
		p.t.Errorf("%s is stored twice, at %s and at %s", id, there, place)
	}
	p.mu.places[id] = place
	p.noteLockedf(id, "arrives at %s, attempt %d, epoch %d", place, d.Attempt, d.Epoch)
	return id
}

// ack acks an event, and notes that it is.
func (p *powerCut) ack(ctx context.Context, d *client.Delivery, id string) {
	err := d.Ack(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteLockedf(id, "ack of epoch %d: %v", d.Epoch, err)
	switch {
	case err == nil:
		p.mu.acked[id] = true
	case errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, client.ErrLeaseLost):
		p.mu.unsure[id] = true
	}
}

// handle works on an event: some take a while, some fail, some outlast their leases.
func (p *powerCut) handle(ctx context.Context, d *client.Delivery) error {
	id := p.arrived(d)
	switch p.random.intN(20) {
	case 0:
		return errors.New("not this time")
	case 1, 2, 3:
		select {
		case <-time.After(p.random.between(0, 500*time.Millisecond)):
		case <-ctx.Done():
		}
	}
	p.ack(ctx, d, id)
	return nil
}

// receive leases some events now and then, and leaves some of them alone.
func (p *powerCut) receive(queue *client.Queue) {
	for p.consuming.Err() == nil {
		batch, err := queue.Receive(p.consuming, 5, client.WithWait(2*time.Second), client.WithLease(powerVisibility))
		if err != nil {
			if p.consuming.Err() == nil && !isUnavailable(err) {
				p.t.Errorf("receiving: %v", err)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-p.consuming.Done():
			}
			continue
		}
		for _, d := range batch.Deliveries {
			if id := p.arrived(d); p.random.intN(4) > 0 {
				p.ack(p.consuming, d, id)
			}
		}
	}
}

// isUnavailable tells whether a call failed because of what the test does to the cluster.
func isUnavailable(err error) bool {
	refused, ok := errors.AsType[*client.Error](err)
	return errors.Is(err, client.ErrUnknownOutcome) || ok && refused.Retryable
}

// slowFS is a file system whose syncs of the log take a while, before they happen.
type slowFS struct {
	vfs.FS
	delay func() time.Duration
}

type slowFile struct {
	vfs.File
	fs slowFS
}

// slow is a file as it is, unless it is the log's: while Pebble syncs it holds locks that virtual time doesn't know of.
func (fs slowFS) slow(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.Contains(name, "/log/") {
		return f, err
	}
	return &slowFile{f, fs}, nil
}

// Create implements vfs.FS.
func (fs slowFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	return fs.slow(name, f, err)
}

// OpenReadWrite implements vfs.FS.
func (fs slowFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, category, opts...)
	return fs.slow(name, f, err)
}

// SyncData implements vfs.File. The log's batches are what is synced so.
func (f *slowFile) SyncData() error {
	<-time.After(f.fs.delay())
	return f.File.SyncData()
}
