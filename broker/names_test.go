package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/client"
)

// loser stands between a client and a node, and loses an answer.
type loser struct {
	to     *grpc.ClientConn
	server *grpc.Server
	served chan error
	addr   string
	mu     struct {
		sync.Mutex
		meanwhile func() // what is done while the next answer is lost; nil: it isn't
	}
}

func startLoser(t *testing.T, node string) *loser {
	to, err := grpc.NewClient(node, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(untouched{})))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &loser{to: to, served: make(chan error, 1), addr: listener.Addr().String()}
	l.server = grpc.NewServer(grpc.UnknownServiceHandler(l.pass), grpc.ForceServerCodec(untouched{}))
	go func() { l.served <- l.server.Serve(listener) }()
	t.Cleanup(func() {
		l.server.Stop()
		if err := errors.Join(<-l.served, to.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// pass passes a call with one answer on, and its answer back.
func (l *loser) pass(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var request, response []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	err := l.to.Invoke(stream.Context(), method, &request, &response)
	l.mu.Lock()
	meanwhile := l.mu.meanwhile
	l.mu.meanwhile = nil
	l.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
		return status.Error(codes.Unavailable, "the connection broke")
	}
	if err != nil {
		return err
	}
	return stream.SendMsg(&response)
}

func (l *loser) lose(meanwhile func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.meanwhile = meanwhile
}

// untouched is a codec that leaves messages as they are.
type untouched struct{}

func (untouched) Name() string                  { return "proto" }
func (untouched) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (untouched) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = slices.Clone(data)
	return nil
}

// thing is a topic or a subscription, by an administrator's hand.
type thing struct {
	name         string
	make         func(context.Context, *client.Admin) (id uint64, created bool, err error)
	remove       func(context.Context, *client.Admin) error
	find         func(context.Context, *client.Admin) (id uint64)
	prerequisite func(context.Context, *client.Admin) error
}

func things(t *testing.T) []thing {
	topic := func(name string) client.TopicConfig { return client.TopicConfig{Name: name} }
	queue := client.SubscriptionConfig{Name: "parent/billing", Kind: client.KindQueue}
	return []thing{
		{
			name: "topic",
			make: func(ctx context.Context, a *client.Admin) (uint64, bool, error) {
				made, created, err := a.CreateTopic(ctx, topic("orders"))
				if err != nil {
					return 0, false, err
				}
				return made.ID, created, nil
			},
			remove: func(ctx context.Context, a *client.Admin) error { return a.DeleteTopic(ctx, "orders") },
			find: func(ctx context.Context, a *client.Admin) uint64 {
				for found, err := range a.Topics(ctx) {
					if err != nil {
						t.Error(err)
						return 0
					}
					if found.Name == "orders" {
						return found.ID
					}
				}
				return 0
			},
			prerequisite: func(context.Context, *client.Admin) error { return nil },
		},
		{
			name: "subscription",
			make: func(ctx context.Context, a *client.Admin) (uint64, bool, error) {
				made, created, err := a.CreateSubscription(ctx, queue)
				if err != nil {
					return 0, false, err
				}
				return made.ID, created, nil
			},
			remove: func(ctx context.Context, a *client.Admin) error { return a.DeleteSubscription(ctx, queue.Name) },
			find: func(ctx context.Context, a *client.Admin) uint64 {
				for found, err := range a.Subscriptions(ctx, "parent") {
					if err != nil {
						t.Error(err)
						return 0
					}
					return found.ID
				}
				return 0
			},
			prerequisite: func(ctx context.Context, a *client.Admin) error {
				_, _, err := a.CreateTopic(ctx, topic("parent"))
				return err
			},
		},
	}
}

// TestLostAnswers: Alice's answer is lost, and Bob uses the name before she asks again. She hears what became of what she asked first, and what is Bob's stays as
// he left it.
func TestLostAnswers(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &server{t: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(func() {
		if err := s.node.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	between := startLoser(t, s.node.Addr().String())
	connect := func(addr string) *client.Admin {
		c, err := client.Connect(ctx, addr, client.WithDialer(func(ctx context.Context, _ string) (net.Conn, error) { // wherever else the node says that it is
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return c.Admin()
	}
	alice, bob := connect(between.addr), connect(s.node.Addr().String())
	for _, it := range things(t) {
		t.Run(it.name, func(t *testing.T) {
			if err := it.prerequisite(ctx, bob); err != nil {
				t.Fatal(err)
			}
			var bobs uint64
			bobMakes := func() {
				id, created, err := it.make(ctx, bob)
				if bobs = id; err != nil || !created {
					t.Errorf("Bob: created %v, %v", created, err)
				}
			}
			bobRemoves := func() {
				if err := it.remove(ctx, bob); err != nil {
					t.Errorf("Bob: %v", err)
				}
			}

			between.lose(bobMakes)
			if err := it.remove(ctx, alice); !errors.Is(err, client.ErrNotFound) {
				t.Errorf("Alice removed what wasn't there: %v", err)
			}
			if found := it.find(ctx, bob); found != bobs {
				t.Errorf("Bob's has id %d, and %d is there", bobs, found)
			}

			between.lose(bobMakes)
			if err := it.remove(ctx, alice); err != nil {
				t.Errorf("Alice: %v", err)
			}
			if found := it.find(ctx, bob); found != bobs {
				t.Errorf("Bob's next has id %d, and %d is there", bobs, found)
			}
			bobRemoves()

			between.lose(bobRemoves)
			id, created, err := it.make(ctx, alice)
			if err != nil || !created || id == 0 {
				t.Errorf("Alice: id %d, created %v, %v", id, created, err)
			}
			if found := it.find(ctx, bob); found != 0 {
				t.Errorf("%d is there behind its removal", found)
			}

			between.lose(func() { bobRemoves(); bobMakes() })
			if id, created, err = it.make(ctx, alice); err != nil || !created || id == bobs {
				t.Errorf("Alice: id %d, created %v, %v; Bob's is %d", id, created, err, bobs)
			}
			if found := it.find(ctx, bob); found != bobs {
				t.Errorf("Bob's last has id %d, and %d is there", bobs, found)
			}
			if _, created, err = it.make(ctx, alice); err != nil || created {
				t.Errorf("Alice, once more: created %v, %v", created, err)
			}
		})
	}
	if err := alice.DeleteTopic(ctx, "orders"); err != nil {
		t.Error(fmt.Errorf("the last one: %w", err))
	}
}
