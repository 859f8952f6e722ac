package overload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// abuse is something that a bad client does. do does it until the context ends, at all nodes, and returns what it was answered.
type abuse struct {
	name string
	// does says what is done, with the sizes of a run.
	does func(*Options) string
	do   func(context.Context, *field) (answer string, err error)
	// stock is how many blocks are published before, for it to consume: that takes as long as it takes, and is no part of the abuse's time.
	stock int
}

// diskBytes is what disk writes at once: as much as a large block has.
const diskBytes = 6 << 20

// field is where abuses take place.
type field struct {
	*Options
	nodes []string // addresses
}

// abuses are all of them, in the order in which they are done.
var abuses = []abuse{
	{name: "nothing", does: says("nothing"), do: nothing},
	{name: "busy", does: says("nothing to the nodes: a loop on each of the processors that abuses have"), do: busy},
	{name: "disk", does: says("nothing to the nodes: 6 MiB written to their disk and synced, again and again, from as many places as there are nodes"), do: disk},
	{name: "refusals", does: says("what no topic, pattern, event or block may be, again and again"), do: refusals},
	{name: "oversized", does: says("requests of 6 MiB"), do: oversized},
	{name: "bombs", does: says("blocks that inflate to more than 100 times their size, and others with wrong checksums"), do: bombs},
	{name: "largest", does: func(o *Options) string {
		return fmt.Sprintf("blocks of %d events of 200 kB, %d streams", largestEvents(o), o.Clients)
	}, do: largest},
	{name: "unread", does: func(o *Options) string { return fmt.Sprintf("%d readers and consumers that never read", 8*o.Clients) }, do: unread, stock: 40},
	{name: "unacked", does: func(o *Options) string { return fmt.Sprintf("%d consumers that never ack", o.Clients) }, do: unacked, stock: 40},
	{name: "polls", does: func(o *Options) string { return fmt.Sprintf("%d parked long polls", o.Polls) }, do: polls},
	{name: "idle", does: func(o *Options) string { return fmt.Sprintf("%d connections that do nothing", o.Connections) }, do: idleConnections},
	{name: "silent", does: func(o *Options) string {
		return fmt.Sprintf("%d connections that never say what they are", o.Connections)
	}, do: silentConnections},
	{name: "storm", does: says("connections opened and closed at once"), do: storm},
	{name: "resets", does: says("streams opened and reset at once (CVE-2023-44487)"), do: resets},
	{name: "headers", does: says("headers without end (CVE-2023-45288)"), do: endlessHeaders},
	{name: "pings", does: says("pings and settings without end"), do: pings},
	{name: "unfinished", does: func(o *Options) string {
		return fmt.Sprintf("%d requests of 4 MiB that stop in the middle", 64*o.Clients)
	}, do: unfinished},
}

func says(what string) func(*Options) string { return func(*Options) string { return what } }

// nothing leaves the good client alone: how much its times differ by themselves.
func nothing(ctx context.Context, _ *field) (string, error) {
	<-ctx.Done()
	return "", nil
}

// busy doesn't touch the nodes: how much the good client's times differ where bad clients use the processors that are left, as they don't elsewhere.
func busy(ctx context.Context, _ *field) (string, error) {
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for rounds := 0; ctx.Err() == nil; {
				rounds++
			}
		})
	}
	all.Wait()
	return "", nil
}

// disk doesn't touch the nodes either: how much the good client's times differ where somebody else writes to the disk that they share.
func disk(ctx context.Context, f *field) (string, error) {
	var written atomic.Int64
	err := f.each(1, func(string, int) (err error) {
		file, err := os.CreateTemp(f.Dir, "disk")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
		for block := make([]byte, diskBytes); ctx.Err() == nil; written.Add(diskBytes) {
			if _, err := file.WriteAt(block, 0); err != nil {
				return err
			}
			if err := file.Sync(); err != nil {
				return err
			}
		}
		return nil
	})
	return fmt.Sprintf("%d MiB written", written.Load()>>20), err
}

// answers collects what nodes have said, each once.
type answers struct {
	mu   sync.Mutex
	said map[string]int
}

func (a *answers) add(what string) {
	if what == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.said == nil {
		a.said = map[string]int{}
	}
	a.said[what]++
}

// err adds what a call ended with; that it was ended by the abuse's own end is no answer.
func (a *answers) err(ctx context.Context, err error) {
	if code := codeOf(err); ctx.Err() == nil && code != "DeadlineExceeded" && code != "Canceled" {
		a.add(code)
	}
}

// codeOf is freshet's code in an error; without one gRPC's.
func codeOf(err error) string {
	if err == nil {
		return "OK"
	}
	s := status.Convert(err)
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return s.Code().String()
}

func (a *answers) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(sortedNames(a.said), ", ")
}

// each does something with several connections to each node at once, each from a goroutine of its own.
func (f *field) each(clients int, do func(node string, n int) error) error {
	var all sync.WaitGroup
	errs := make([]error, clients*len(f.nodes))
	for n := range errs {
		all.Go(func() { errs[n] = do(f.nodes[n%len(f.nodes)], n) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// encoded is a request as it is sent. Large ones are made once: abuses run on the nodes' machine, which would else be busy with copies of what they send.
type encoded []byte

// encode makes a request's bytes.
func encode(m proto.Message) (encoded, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding a request: %w", err)
	}
	return b, nil
}

// codec is gRPC's own, but for what is encoded already.
type codec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// publish publishes what is encoded.
func publish(ctx context.Context, conn *grpc.ClientConn, b encoded) error {
	return conn.Invoke(ctx, freshetv1.PublishService_Publish_FullMethodName, b, new(freshetv1.PublishResponse))
}

// with gives a gRPC connection to somebody, and closes it.
func with(node string, do func(*grpc.ClientConn) error, opts ...grpc.DialOption) error {
	conn, err := grpc.NewClient("passthrough:///"+node, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20), grpc.ForceCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)})),
	}, opts...)...)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close())
}

const (
	// abuseTopic is where abuses publish what is stored, and consume it.
	abuseTopic, abuseQueue = "abused", "abused"
	// pouredTopic has no subscription: nothing of it is kept, so that the log doesn't fill up, which is not the good client's fault and would hold it up.
	pouredTopic = "poured"
)

// prepare makes what abuses need.
func prepare(ctx context.Context, node string) error {
	return with(node, func(conn *grpc.ClientConn) error {
		admin := freshetv1.NewAdminServiceClient(conn)
		for _, topic := range []string{abuseTopic, pouredTopic} {
			if _, err := admin.CreateTopic(ctx, &freshetv1.CreateTopicRequest{Name: topic}); err != nil {
				return err
			}
		}
		for name, pattern := range map[string]string{abuseQueue: "", "selective": `{"source":["com.shop"]}`} {
			sub := &freshetv1.Subscription{Topic: abuseTopic, Name: name, Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, Pattern: pattern}
			if _, err := admin.CreateSubscription(ctx, &freshetv1.CreateSubscriptionRequest{Subscription: sub}); err != nil {
				return err
			}
		}
		return nil
	})
}
