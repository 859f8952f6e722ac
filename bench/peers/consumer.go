package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// consuming takes and acks what a subscription gets, on one connection.
type consuming struct {
	*publishing
	subscription int
	conn         *nats.Conn
	consumer     jetstream.Consumer
	going        jetstream.ConsumeContext
}

// heartbeat has a consumer notice soon that its server is gone; the client's default is 15 s. It is the least that there may be.
const (
	pullExpiry = 5 * time.Second
	heartbeat  = 500 * time.Millisecond
)

func (c *consuming) start() error {
	options := []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(pullMessages), jetstream.PullThresholdMessages(pullMessages / 2)}
	if c.work.kill {
		options = append(options, jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(heartbeat))
	}
	var err error
	c.going, err = c.consumer.Consume(c.take, options...)
	return err
}

// take is the handler.
func (c *consuming) take(m jetstream.Msg) {
	publisher, number, at, err := identity(m.Data())
	if err != nil {
		c.fail(err)
		return
	}
	if c.ledger.arrive(c.subscription, publisher, number) {
		c.meter.arrived(at, c.meter.now())
	} else {
		c.meter.repeated.Add(1)
	}
	if err := m.Ack(); err != nil {
		if !c.work.kill { // its connection may be gone; the event comes again
			c.fail(err)
		}
		return
	}
	c.meter.acked.Add(1)
}

func (c *consuming) close() {
	if c.going != nil {
		c.going.Stop()
	}
	c.conn.Close()
}

// settled waits until the server says that nothing waits or is unacked, and returns what is, if it doesn't.
func settled(ctx context.Context, consumers []jetstream.Consumer) error {
	for _, consumer := range consumers {
		var info *jetstream.ConsumerInfo
		var err error
		for {
			asking, cancel := context.WithTimeout(ctx, 2*time.Second)
			info, err = consumer.Info(asking)
			cancel()
			if err == nil && info.NumAckPending == 0 && info.NumPending == 0 {
				break
			}
			if !pause(ctx, 50*time.Millisecond) {
				if err == nil {
					err = fmt.Errorf("consumer %s has %d events unacked and %d to come", info.Name, info.NumAckPending, info.NumPending)
				}
				return err
			}
		}
	}
	return nil
}
