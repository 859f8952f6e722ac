package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// unary publishes one event a call, as a service does that has no use for the client: each caller makes
// a block of one event, sends it to the node that leads a partition, and waits for the answer. A
// producer's callers share its connections, one to each node.
//
// Nothing is sent again: a block carries no sequence here, so a second try could store it twice.
type unary struct {
	run         *run
	connections map[string]*grpc.ClientConn // by address
	routes      []unaryRoute                // by topic
}

// unaryRoute is where a topic's partitions are.
type unaryRoute struct {
	topic      string
	epoch      uint64
	partitions []unaryPartition
}

type unaryPartition struct {
	number uint32
	leader freshetv1.PublishServiceClient
}

// unaryWindowBytes is how many bytes of answers may be on their way: each has a few dozen.
const unaryWindowBytes = 64 << 10

// unaryRouteTimeout is how long it may take until all partitions have leaders.
const unaryRouteTimeout = 10 * time.Second

// newUnary finds the way to the topics' partitions.
func (r *run) newUnary(ctx context.Context) (_ *unary, err error) {
	u := &unary{run: r, connections: map[string]*grpc.ClientConn{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, unaryRouteTimeout)
	defer cancel()
	for topic := range r.Topics {
		route, err := u.route(ctx, r.topicName(topic))
		if err != nil {
			return nil, fmt.Errorf("the way to topic %s: %w", r.topicName(topic), err)
		}
		u.routes = append(u.routes, route)
	}
	return u, nil
}

// route asks until each partition has a leader.
func (u *unary) route(ctx context.Context, topic string) (unaryRoute, error) {
	asked, err := u.connect(firstOf(u.run.Target))
	if err != nil {
		return unaryRoute{}, err
	}
	for {
		answer, err := freshetv1.NewRouteServiceClient(asked).Route(ctx, &freshetv1.RouteRequest{Topic: topic})
		if err != nil && status.Code(err) != codes.Unavailable {
			return unaryRoute{}, err
		}
		route := unaryRoute{topic: topic, epoch: answer.GetEpoch()}
		for _, p := range answer.GetPartitions() {
			if p.GetApiAddress() == "" {
				break
			}
			to, err := u.connect(p.GetApiAddress())
			if err != nil {
				return unaryRoute{}, err
			}
			route.partitions = append(route.partitions, unaryPartition{p.GetNumber(), freshetv1.NewPublishServiceClient(to)})
		}
		if n := len(route.partitions); n > 0 && n == len(answer.GetPartitions()) {
			return route, nil
		}
		if !await(ctx, drainLook) {
			return unaryRoute{}, errors.Join(errors.New("not every partition has a leader"), err)
		}
	}
}

func (u *unary) connect(address string) (*grpc.ClientConn, error) {
	if connected := u.connections[address]; connected != nil {
		return connected, nil
	}
	connected, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// A window that could grow costs a ping for most answers, and their answers.
		grpc.WithStaticStreamWindowSize(unaryWindowBytes), grpc.WithStaticConnWindowSize(unaryWindowBytes),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	)
	if err != nil {
		return nil, err
	}
	u.connections[address] = connected
	return connected, nil
}

func (u *unary) close() error {
	var errs []error
	for _, connected := range u.connections {
		errs = append(errs, connected.Close())
	}
	return errors.Join(errs...)
}

// call is one caller: it sends one event after the other until stop ends.
func (p *publisher) call(ctx, stop context.Context, u *unary) error {
	r := p.run
	var writer block.Writer
	event := block.Event{ContentType: r.shape.template.ContentType, Source: r.shape.template.Source, DetailType: r.shape.template.DetailType}
	var encoded []byte
	for {
		f, ok := p.pacer.take(stop)
		if !ok {
			return nil
		}
		p.handOver(&f)
		topic := p.topic(f)
		route := &u.routes[topic]
		// As publish.proto advises: all callers ask for the same partition for a moment.
		to := &route.partitions[block.Turn(time.Now(), len(route.partitions))]
		event.Data = r.shape.appendTo(event.Data[:0], p.account, f.first, f.moment(0))
		var err error
		if encoded, err = encodeOne(&writer, &event, encoded[:0], block.Options{Codec: block.Codec(*r.Compression)}); err != nil {
			return err
		}
		answer, err := to.leader.Publish(ctx, &freshetv1.PublishRequest{Topic: route.topic, Block: encoded, Partition: &to.number, Epoch: route.epoch})
		if err != nil {
			r.meter.unknown.Add(1)
			return fmt.Errorf("producer %d: a call for one event: %w", p.account+1, err)
		}
		now := r.meter.now()
		r.stored(p.account, f.first, topic, answer.GetPartition(), answer.GetFirstOffset(), len(event.Data), now)
		p.latencies.record(f.moment(0), now, 1)
	}
}

// encodeOne returns a block of one event.
func encodeOne(w *block.Writer, e *block.Event, to []byte, o block.Options) ([]byte, error) {
	if err := w.Reset(o); err != nil {
		return nil, err
	}
	if err := w.Append(e); err != nil {
		return nil, err
	}
	return w.Finish(to)
}
