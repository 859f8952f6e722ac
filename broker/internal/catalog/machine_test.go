package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/raftlog"
)

// apply encodes a command and applies it as the entry of that index.
func apply(t testing.TB, m *Machine, index uint64, command Command) Result {
	t.Helper()
	data, err := Encode(command)
	if err != nil {
		t.Fatal(err)
	}
	result, ok := m.Apply(raftlog.Entry{Index: index, Term: 1, Data: data}).(Result)
	if !ok {
		t.Fatal("Apply returns no Result")
	}
	return result
}

func snapshot(t testing.TB, m *Machine) []byte {
	t.Helper()
	records, err := m.Snapshot(true)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	return records[0].Value
}

// restore gives the machine a snapshot back.
func restore(m *Machine, state []byte) error {
	return m.Restore(func(yield func(raftlog.Record, error) bool) {
		yield(raftlog.Record{Key: []byte(stateKey), Value: state}, nil)
	})
}

// randomCommand makes commands that repeat, conflict and miss often, half of them with one of a few numbers.
func randomCommand(r *rand.Rand) Command {
	c := randomPlain(r)
	if verbOf(c) == 0 || r.IntN(2) == 0 {
		return c
	}
	return Requested{Command: c, Number: r.Uint64N(30), AtMs: r.Int64N(1000)}
}

func randomPlain(r *rand.Rand) Command {
	topic := fmt.Sprintf("topic-%d", r.IntN(8))
	switch r.IntN(22) {
	case 4:
		return DeleteTopic{Name: topic}
	case 5, 6:
		return DeleteSubscription{Topic: topic, Name: fmt.Sprintf("sub-%d", r.IntN(20))}
	case 7:
		return ForgetRemovals{Through: r.Uint64N(200)}
	case 0:
		members := []Member{{"n1", "first-1", 1}, {"n2", "first-2", 1}, {"n3", "first-3", 1}}[:r.IntN(4)]
		return FoundCluster{Name: fmt.Sprintf("c%d", r.IntN(2)), ID: fmt.Sprint(r.Uint64()), ReceiptKey: ReceiptKey{byte(r.IntN(255) + 1)}, Members: members}
	case 20, 21:
		return ReplaceMember{Node: fmt.Sprintf("n%d", r.IntN(4)+1), Directory: fmt.Sprintf("dir-%d", r.IntN(6)), Generation: uint32(r.IntN(3) + 1)}
	case 1, 2, 3:
		return CreateTopic{Name: topic, EventBytesMax: uint32(r.IntN(2)), CreatedMs: r.Int64N(1000)}
	default:
		c := CreateSubscription{
			Topic: topic, Name: fmt.Sprintf("sub-%d", r.IntN(20)), Kind: queue, Pattern: strings.Repeat("{}", r.IntN(2)),
			AttemptsMax: uint32(r.IntN(2)), CreatedMs: r.Int64N(1000),
		}
		c.Ordered = r.IntN(3) == 0
		if !c.Ordered && r.IntN(2) == 0 {
			c.Kind = fanout
			c.Members = []string{"b", "a", "c"}[:r.IntN(4)]
		}
		return c
	}
}

// TestReplicas gives the same entries to a machine, to one that is restored from a snapshot now and then, and to one made
// of maps in the most obvious way (M1, M3, M5).
func TestReplicas(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			one, other, twin := NewMachine(), NewMachine(), newTwin()
			for index := uint64(1); index <= 200; index++ {
				command := randomCommand(r)
				a, b := apply(t, one, index, command), apply(t, other, index, command)
				if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
					t.Fatalf("entry %d %+v: answered %+v and %+v", index, command, a, b)
				}
				if r.IntN(10) == 0 {
					restored := NewMachine()
					if err := restore(restored, snapshot(t, other)); err != nil {
						t.Fatal(err)
					}
					other = restored
				}
				if got, want := a.outcome(), twin.apply(command); got != want {
					t.Fatalf("entry %d %+v: %s, the twin says %s (%v)", index, command, got, want, a.Err)
				}
			}
			if !bytes.Equal(snapshot(t, one), snapshot(t, other)) {
				t.Fatal("two replicas have different snapshots")
			}
		})
	}
}

func (r Result) outcome() string {
	refused, _ := errors.AsType[*Error](r.Err)
	switch {
	case refused != nil:
		return refused.Code.String()
	case r.Created:
		return fmt.Sprintf("created %d", r.Topic.ID+r.Subscription.ID)
	default:
		return fmt.Sprintf("there %d", r.Topic.ID+r.Subscription.ID)
	}
}

// twin is the catalog as maps from name to settings.
type twin struct {
	cluster string
	made    map[string]string
	ids     map[string]int
	last    int
	// members have the directories that they came with, the last one last.
	members map[string][]string
	// answers by the numbers of requests, and what each was about.
	answers, about map[uint64]string
}

func newTwin() *twin {
	return &twin{
		made: map[string]string{}, ids: map[string]int{}, members: map[string][]string{}, answers: map[uint64]string{}, about: map[uint64]string{},
	}
}

func (w *twin) apply(command Command) string {
	switch c := command.withDefaults().(type) {
	case Requested:
		if c.Number == 0 {
			return w.apply(c.Command)
		}
		about := fmt.Sprintf("%T ", c.Command)
		switch c := c.Command.(type) {
		case CreateTopic:
			about += c.Name
		case CreateSubscription:
			about += c.Topic + "/" + c.Name
		default: // has names alone
			about += fmt.Sprint(c)
		}
		switch w.about[c.Number] {
		case "":
			w.about[c.Number], w.answers[c.Number] = about, w.apply(c.Command)
		case about:
		default:
			return freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED.String()
		}
		return w.answers[c.Number]
	case FoundCluster:
		switch w.cluster {
		case "":
			w.cluster = c.Name
			for _, m := range c.Members {
				w.members[m.Node] = []string{m.Directory}
			}
			return "created 0"
		case c.Name:
			return "there 0"
		}
		return freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED.String()
	case CreateTopic:
		return w.make(c.Name, fmt.Sprint(c.EventBytesMax), freshetv1.ErrorCode_ERROR_CODE_TOPIC_EXISTS)
	case CreateSubscription:
		if w.ids[c.Topic] == 0 {
			return freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND.String()
		}
		settings := fmt.Sprint(c.Kind, c.Pattern, c.VisibilityMs, c.AttemptsMax, c.Ordered, c.Members)
		return w.make(c.Topic+"/"+c.Name, settings, freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_EXISTS)
	case DeleteTopic:
		for name := range w.ids {
			if strings.HasPrefix(name, c.Name+"/") {
				delete(w.ids, name)
			}
		}
		return w.delete(c.Name, freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND)
	case DeleteSubscription:
		if w.ids[c.Topic] == 0 {
			return freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND.String()
		}
		return w.delete(c.Topic+"/"+c.Name, freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND)
	case ForgetRemovals:
		return "there 0"
	case ReplaceMember:
		had := w.members[c.Node]
		switch {
		case len(had) > 0 && had[len(had)-1] == c.Directory:
			return "there 0"
		case len(had) == 0 || len(had) != int(c.Generation):
			return freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED.String()
		}
		w.members[c.Node] = append(had, c.Directory)
		return "created 0"
	}
	return "?"
}

func (w *twin) delete(name string, missing freshetv1.ErrorCode) string {
	id, there := w.ids[name]
	if delete(w.ids, name); !there {
		return missing.String()
	}
	return fmt.Sprintf("there %d", id)
}

func (w *twin) make(name, settings string, conflict freshetv1.ErrorCode) string {
	switch {
	case w.ids[name] == 0:
		w.last++
		id := w.last
		w.ids[name], w.made[name] = id, settings
		return fmt.Sprintf("created %d", id)
	case w.made[name] == settings:
		return fmt.Sprintf("there %d", w.ids[name])
	}
	return conflict.String()
}

// TestViewsNeverChange (M4) compares what a view says when it is new and when much has happened since.
func TestViewsNeverChange(t *testing.T) {
	m := NewMachine()
	r := rand.New(rand.NewPCG(3, 1))
	var views []*View
	var then [][]byte
	for index := uint64(1); index <= 300; index++ {
		apply(t, m, index, randomCommand(r))
		views = append(views, m.View())
		state, err := encode(m.View(), newMemory())
		if err != nil {
			t.Fatal(err)
		}
		then = append(then, state)
	}
	for i, view := range views {
		now, err := encode(view, newMemory())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now, then[i]) {
			t.Fatalf("the view after entry %d has changed", i+1)
		}
	}
}

// TestReadersBesideTheWriter is for the race detector: lookups, lists and waiting while entries are applied.
func TestReadersBesideTheWriter(t *testing.T) {
	m := NewMachine()
	const entries = 500
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for seen := uint64(0); seen < entries; {
				view := m.View()
				for topic, subscription := range view.Since(seen) {
					if _, ok := view.TopicByID(topic.ID); !ok {
						t.Errorf("topic %d is listed and not found", topic.ID)
					}
					if subscription == nil {
						continue
					}
					if found, ok := view.SubscriptionByID(subscription.ID); !ok || found.Name != subscription.Name {
						t.Errorf("subscription %d is listed and not found", subscription.ID)
					}
				}
				if seen = view.Version(); seen < entries {
					<-view.Changed()
				}
			}
		})
	}
	for index := uint64(1); index <= entries; index++ {
		if index%10 == 1 {
			apply(t, m, index, CreateTopic{Name: fmt.Sprintf("t%d", index)})
		} else {
			apply(t, m, index, CreateSubscription{Topic: fmt.Sprintf("t%d", index-(index-1)%10), Name: fmt.Sprint(index), Kind: queue})
		}
	}
	readers.Wait()
}

func TestRestoreTellsThoseWhoWait(t *testing.T) {
	m := NewMachine()
	apply(t, m, 1, CreateTopic{Name: "orders"})
	view := m.View()
	if err := restore(m, snapshot(t, m)); err != nil {
		t.Fatal(err)
	}
	<-view.Changed()
	if err := restore(m, []byte("no state")); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("restoring rubbish: %v", err)
	}
	if _, ok := m.View().Topic("orders"); !ok {
		t.Fatal("restoring rubbish has changed the catalog")
	}
}

// TestLimits fills a catalog in each direction until it refuses.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, field string
		least       int // commands that must succeed before
		command     func(i int) Command
	}{
		{"topics", "topics", TopicsMax, func(i int) Command { return CreateTopic{Name: fmt.Sprint("t", i)} }},
		{"subscriptions", "subscriptions", SubscriptionsMax + 1, func(i int) Command {
			if i == 0 {
				return CreateTopic{Name: "t"}
			}
			return CreateSubscription{Topic: "t", Name: fmt.Sprint("s", i), Kind: queue}
		}},
		{"bytes", "bytes", 1000, func(i int) Command {
			if i == 0 {
				return CreateTopic{Name: "t"}
			}
			return CreateSubscription{Topic: "t", Name: fmt.Sprint("s", i), Kind: queue, Pattern: strings.Repeat(" ", PatternBytesMax)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMachine()
			for i := 0; ; i++ {
				result := apply(t, m, uint64(i+1), c.command(i))
				if result.Err == nil {
					continue
				}
				refused, ok := errors.AsType[*Error](result.Err)
				if !ok || refused.Code != freshetv1.ErrorCode_ERROR_CODE_TOO_MANY || refused.Field != c.field || i < c.least {
					t.Fatalf("command %d: %+v", i, result.Err)
				}
				if uint64(i) != m.View().Version() {
					t.Fatalf("the refused entry %d made version %d", i+1, m.View().Version())
				}
				restored := NewMachine()
				if err := restore(restored, snapshot(t, m)); err != nil {
					t.Fatalf("a full catalog is not restored: %v", err)
				}
				return
			}
		})
	}
}

// TestNewerReleases: a command that says more than this build knows must not be carried out in part.
func TestNewerReleases(t *testing.T) {
	data, err := Encode(CreateTopic{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	versionTwo := protowire.AppendVarint(protowire.AppendTag(slices.Clone(data), 1, protowire.VarintType), 2)
	field := protowire.AppendVarint(protowire.AppendTag(slices.Clone(data), 99, protowire.VarintType), 1)
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)
	nested := protowire.AppendBytes(protowire.AppendTag(slices.Clone(data), 3, protowire.BytesType), inner)
	for name, newer := range map[string][]byte{"version": versionTwo, "field": field, "nested field": nested} {
		t.Run(name, func(t *testing.T) {
			if _, err := decode(newer); !errors.Is(err, ErrVersion) {
				t.Fatalf("decoded with %v", err)
			}
			defer func() {
				if recover() == nil {
					t.Fatal("applied")
				}
			}()
			NewMachine().Apply(raftlog.Entry{Index: 1, Data: newer})
		})
	}
	if _, _, err := decodeState(versionTwo); err == nil {
		t.Fatal("a newer checkpoint is restored")
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	key := ReceiptKey{1, 2, 3}
	c := Cluster{Name: "dev", ReceiptKey: key}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, "2, 3") || strings.Contains(text, "2 3") || strings.Contains(text, "0x2") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, there := range []int{0, SubscriptionsMax - 1} {
		b.Run(fmt.Sprintf("subscriptions=%d", there), func(b *testing.B) {
			m := filled(b, there)
			data, err := Encode(CreateSubscription{Topic: "t", Name: "new", Kind: queue, Pattern: `{"source":["com.orders"]}`})
			if err != nil {
				b.Fatal(err)
			}
			view := m.View()
			for b.Loop() {
				m.view.Store(view)
				view.superseded = make(chan struct{})
				if result, _ := m.Apply(raftlog.Entry{Index: 1 << 40, Data: data}).(Result); result.Err != nil {
					b.Fatal(result.Err)
				}
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	m := filled(b, SubscriptionsMax)
	for b.Loop() {
		b.SetBytes(int64(len(snapshot(b, m))))
	}
}

func BenchmarkNoSubscription(b *testing.B) {
	view := filled(b, SubscriptionsMax).View()
	for b.Loop() {
		_ = view.NoSubscription("t", "subscription-of-a-service-x") // what it says is a script's business
	}
}

func filled(tb testing.TB, subscriptions int) *Machine {
	tb.Helper()
	m := NewMachine()
	apply(tb, m, 1, CreateTopic{Name: "t"})
	for i := range subscriptions {
		apply(tb, m, uint64(i)+2, CreateSubscription{
			Topic: "t", Name: fmt.Sprint("subscription-of-a-service-", i), Kind: queue, Pattern: `{"source":["com.orders"]}`,
		})
	}
	return m
}
