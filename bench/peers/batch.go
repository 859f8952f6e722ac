package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

// batched publishes in a fast batch: the server stores each event as it comes, and answers every so many with how far it is. The client library has no
// such publisher yet, so this speaks the protocol itself, as the server (server/stream.go, getFastBatch) and its makers' ADR-50 describe it. An event's
// reply subject says all there is to say:
//
//	<inbox>.<events between answers>.<what to do about a gap>.<number in the batch, from 1>.<0 first, 1 next, 3 end, 4 ping>.$FI
//
// and the answers are {"type":"ack","seq":N,"msgs":M}: everything up to N is stored, the next answer comes M events later. The end is answered like any
// event, with a count. The batch lasts as long as the run, and any other answer ends it.
type batched struct {
	*publishing
	index, stream int
	conn          *nats.Conn
	prefix        string // of reply subjects, up to the number
	heard         *nats.Subscription

	mu      sync.Mutex
	moved   *sync.Cond
	sent    uint64
	acked   uint64 // all up to here
	flow    uint64
	begun   bool // the server has answered
	ending  bool // the end was sent
	ended   error
	sending []int64 // when event n was sent, by n modulo its length
}

// batchOp is what a message is to a batch.
type batchOp int

const (
	batchFirst batchOp = 0
	batchNext  batchOp = 1
	batchEnd   batchOp = 3
)

// batchRing is more than can be under way.
const batchRing = 1 << 16

func newBatched(p *publishing, index, stream int, conn *nats.Conn) (*batched, error) {
	b := &batched{publishing: p, index: index, stream: stream, conn: conn, flow: batchFlow, sending: make([]int64, batchRing)}
	b.moved = sync.NewCond(&b.mu)
	inbox := conn.NewInbox()
	b.prefix = fmt.Sprintf("%s.%d.fail.", inbox, batchFlow)
	var err error
	b.heard, err = conn.Subscribe(inbox+".>", b.hear)
	return b, err
}

func (b *batched) close() { b.conn.Close() }

// reply is the reply subject of a message.
func (b *batched) reply(number uint64, op batchOp) string {
	to := make([]byte, 0, len(b.prefix)+24)
	to = append(to, b.prefix...)
	to = strconv.AppendUint(to, number, 10)
	to = append(to, '.', '0'+byte(op))
	return string(append(to, ".$FI"...))
}

func (b *batched) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, b.wake)
	defer stop()
	buffer := make([]byte, 0, eventBytes) // the connection copies it
	for number := uint64(0); ; number++ {
		if err := b.room(ctx); err != nil || ctx.Err() != nil || !b.awaitConsumers(ctx) {
			return b.finish(ctx)
		}
		op := batchNext
		if number == 0 {
			op = batchFirst
		}
		at := b.meter.now()
		buffer = b.shape.appendTo(buffer[:0], b.index, number, at)
		b.mu.Lock()
		b.sent = number + 1
		b.sending[b.sent%batchRing] = at
		b.mu.Unlock()
		if err := b.conn.PublishRequest(b.subject(b.stream, number), b.reply(number+1, op), buffer); err != nil {
			return err
		}
	}
}

func (b *batched) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved.Broadcast()
}

// room waits until one more may be under way. The first is alone until it is answered.
func (b *batched) room(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.ended == nil && ctx.Err() == nil {
		most := b.flow * batchAcks
		if !b.begun {
			most = 1 // the batch's first is answered before there may be others
		}
		if b.sent < b.acked+min(most, batchRing-1) {
			return nil
		}
		b.moved.Wait()
	}
	return b.ended
}

// finish ends the batch, and waits until everything of it is answered.
func (b *batched) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answeredWithin)
	defer cancel()
	b.mu.Lock()
	b.ending = true
	sent, ended := b.sent, b.ended
	b.mu.Unlock()
	if sent == 0 || ended != nil {
		return ended
	}
	if err := b.conn.PublishRequest(b.subject(b.stream, sent-1), b.reply(sent+1, batchEnd), nil); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, b.wake)
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.ended == nil && b.acked < b.sent {
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d events of a batch are answered", b.acked, b.sent)
		}
		b.moved.Wait()
	}
	return b.ended
}

// hear takes the server's answers.
func (b *batched) hear(m *nats.Msg) {
	var answer struct {
		Type     string `json:"type"`
		Sequence uint64 `json:"seq"`
		Messages uint64 `json:"msgs"`
		Count    uint64 `json:"count"` // of the end's answer
	}
	err := json.Unmarshal(m.Data, &answer)
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.moved.Broadcast()
	if b.ending && answer.Type == "" && answer.Count > 0 {
		answer.Type, answer.Sequence = "ack", answer.Count
	}
	if err != nil || answer.Type != "ack" {
		if b.ended == nil {
			b.ended = fmt.Errorf("a batch has ended: %s", bytes.TrimSpace(m.Data))
			b.fail(b.ended)
		}
		return
	}
	b.flow, b.begun = max(answer.Messages, 1), true
	if answer.Sequence <= b.acked || answer.Sequence > b.sent {
		return // to a ping, or to the first, which isn't stored yet
	}
	now := b.meter.now()
	b.ledger.stored[b.index].setRange(b.acked, answer.Sequence) // numbers are from 0, the batch's from 1
	for n := b.acked + 1; n <= answer.Sequence; n++ {
		b.meter.confirmed(b.sending[n%batchRing], now)
	}
	b.acked = answer.Sequence
}
