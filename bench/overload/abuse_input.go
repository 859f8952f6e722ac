package overload

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// blockOf is a block of events.
func blockOf(codec block.Codec, events ...block.Event) ([]byte, error) {
	var w block.Writer
	if err := w.Reset(block.Options{Codec: codec}); err != nil {
		return nil, err
	}
	for i := range events {
		if err := w.Append(&events[i]); err != nil {
			return nil, err
		}
	}
	return w.Finish(nil)
}

// resealed is a block after a change, with the header's checksum made anew (proto/block/format.go).
func resealed(raw []byte, change func(b []byte) []byte) []byte {
	b := change(bytes.Clone(raw))
	end := int(binary.LittleEndian.Uint32(b[8:])) - 4
	binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// publishes publishes each of some blocks over and over, with as many connections as there are bad clients.
func publishes(ctx context.Context, f *field, requests ...*freshetv1.PublishRequest) (string, error) {
	all := make([]encoded, len(requests))
	for i, r := range requests {
		var err error
		if all[i], err = encode(r); err != nil {
			return "", err
		}
	}
	var said answers
	err := f.each(f.Clients, func(node string, _ int) error {
		return with(node, func(conn *grpc.ClientConn) error {
			for ctx.Err() == nil {
				for _, r := range all {
					said.err(ctx, publish(ctx, conn, r))
				}
			}
			return nil
		})
	})
	return said.String(), err
}

// refusals asks for what can't be.
func refusals(ctx context.Context, f *field) (string, error) {
	good, err := blockOf(block.CodecNone, block.Event{Data: []byte(`{}`)})
	if err != nil {
		return "", err
	}
	deep, err := blockOf(block.CodecNone, block.Event{Data: []byte(strings.Repeat(`{"a":`, 1_001) + "1" + strings.Repeat("}", 1_001))})
	if err != nil {
		return "", err
	}
	notJSON, err := blockOf(block.CodecNone, block.Event{Data: []byte(`{"source":"com.shop`)})
	if err != nil {
		return "", err
	}
	var said answers
	err = f.each(f.Clients, func(node string, _ int) error {
		return with(node, func(conn *grpc.ClientConn) error {
			publish, admin, consume := freshetv1.NewPublishServiceClient(conn), freshetv1.NewAdminServiceClient(conn), freshetv1.NewConsumeServiceClient(conn)
			for ctx.Err() == nil {
				_, err := publish.Publish(ctx, &freshetv1.PublishRequest{Topic: "no-such", Block: good})
				said.err(ctx, err)
				_, err = publish.Publish(ctx, &freshetv1.PublishRequest{Topic: abuseTopic, Block: deep, RequireJson: true})
				said.err(ctx, err)
				_, err = publish.Publish(ctx, &freshetv1.PublishRequest{Topic: abuseTopic, Block: notJSON, RequireJson: true})
				said.err(ctx, err)
				_, err = publish.Publish(ctx, &freshetv1.PublishRequest{Topic: abuseTopic, Block: []byte("no block")})
				said.err(ctx, err)
				_, err = admin.CreateSubscription(ctx, &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
					Topic: abuseTopic, Name: "bad", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, Pattern: `{"source":[{"prefix":1}]}`,
				}})
				said.err(ctx, err)
				_, err = consume.Ack(ctx, &freshetv1.AckRequest{Receipts: []string{"forged"}})
				said.err(ctx, err)
			}
			return nil
		})
	})
	return said.String(), err
}

// oversized sends requests that are larger than any may be.
func oversized(ctx context.Context, f *field) (string, error) {
	return publishes(ctx, f, &freshetv1.PublishRequest{Topic: abuseTopic, Block: make([]byte, 6<<20)})
}

// bombs sends blocks that grow, and blocks that were changed on their way.
func bombs(ctx context.Context, f *field) (string, error) {
	zeros := block.Event{Data: make([]byte, block.DataBytesMax)}
	var requests []*freshetv1.PublishRequest
	for _, codec := range []block.Codec{block.CodecS2, block.CodecZstd} {
		raw, err := blockOf(codec, zeros, zeros, zeros)
		if err != nil {
			return "", err
		}
		// Without the padding that a writer puts behind what compresses better than 100 to 1.
		bomb := resealed(raw, func(b []byte) []byte {
			b = b[:len(b)-int(binary.LittleEndian.Uint32(b[16:]))]
			binary.LittleEndian.PutUint32(b[16:], 0)
			return b
		})
		// One that says it holds a tenth of what its frames inflate to.
		lying := resealed(raw, func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[20:], binary.LittleEndian.Uint32(b[20:])/10)
			return b
		})
		broken := bytes.Clone(raw)
		broken[int(binary.LittleEndian.Uint32(raw[8:]))+1] ^= 1
		for _, one := range [][]byte{bomb, lying, broken} {
			requests = append(requests, &freshetv1.PublishRequest{Topic: abuseTopic, Block: one})
		}
	}
	return publishes(ctx, f, requests...)
}

// largestEvents is how many events of 200 kB a block may have: a small log takes smaller blocks, 3/512 of it.
func largestEvents(o *Options) int {
	return max(int(min(o.LogBytes*3/512, block.BlockBytesMax)/210_000), 1)
}

// largest publishes the largest blocks there are, as fast as they are taken.
func largest(ctx context.Context, f *field) (string, error) {
	part := block.Event{Data: bytes.Repeat([]byte("x"), 200_000), ContentType: "text/plain"}
	raw, err := blockOf(block.CodecNone, slices.Repeat([]block.Event{part}, largestEvents(f.Options))...)
	if err != nil {
		return "", err
	}
	request, err := encode(&freshetv1.PublishRequest{Topic: pouredTopic, Block: raw})
	if err != nil {
		return "", err
	}
	var said answers
	err = f.each(f.Clients, func(node string, _ int) error {
		return with(node, func(conn *grpc.ClientConn) error {
			for ctx.Err() == nil {
				stream, err := freshetv1.NewPublishServiceClient(conn).PublishStream(ctx)
				if err != nil {
					said.err(ctx, err)
					continue
				}
				go func() {
					sent := error(nil)
					for sent == nil { // Recv says why it ends
						sent = stream.SendMsg(request)
					}
				}()
				for {
					res, err := stream.Recv()
					if err != nil {
						said.err(ctx, err)
						break
					}
					if e := res.GetError(); e != nil {
						said.add(e.GetCode().String())
					} else {
						said.add("OK")
					}
				}
			}
			return nil
		})
	})
	return said.String(), err
}
