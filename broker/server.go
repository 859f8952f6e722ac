package broker

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/proto/freshet/wire"
)

// Bounds of a connection. grpc-go's own defaults are made for peers that know each other: any number of streams, headers of 16 MiB, two
// minutes for a handshake, answers of any size (reliability.md of the design has the threads).
const (
	// streamsMax is how many calls a connection has under way. A consumer has one stream a subscription.
	streamsMax = 256
	// headerBytesMax is the size of a call's headers.
	headerBytesMax = 16 << 10
	// requestBytesMax is the largest request: one block, and the fields beside it.
	requestBytesMax = block.EncodedBytesMax + 4<<10
	// responseBytesMax is the largest answer: 16 MiB of events taken at once, or what ten thousand subscriptions match of 1,024 events.
	responseBytesMax = 32 << 20
	// streamWindowBytes is what a call's client may send ahead of what is read of it, and connectionWindowBytes what all of a connection's may; what a call is
	// about to read of one request comes on top. By default they would grow to 16 MiB each.
	streamWindowBytes     = 256 << 10
	connectionWindowBytes = 4 << 20
	// handshakeMax is how long a connection may take to be one.
	handshakeMax = 5 * time.Second
	// pingsApart is how often a client may ping; oftener is abuse, and the connection is closed.
	pingsApart = 10 * time.Second
	// pingAfter is when the node pings a silent client, pingTimeout how long it waits for the answer: leases of a client whose machine is
	// gone would otherwise look held for hours.
	pingAfter   = 30 * time.Second
	pingTimeout = 10 * time.Second
	// writeBufferBytes is how much is written to a connection at once: a block goes out in two system calls, not in eight. What is idle has no buffer.
	writeBufferBytes = 128 << 10
	// callWorkers is how many goroutines wait for calls of clients: the stack of one that is made for a call grows twice, a tenth of what a call for one event
	// costs the nodes, and theirs has grown. Calls beyond that many get goroutines of their own.
	callWorkers = 64
	// connectionAgeMax is how long a client's connection lives before it is asked to make another, so that clients spread over nodes and addresses as these
	// change; connectionAgeGrace is how long its calls then have to end.
	connectionAgeMax   = time.Hour
	connectionAgeGrace = 5 * time.Minute
)

// newClientServer makes the server of the clients' port: who is connected there is bounded in all.
func newClientServer(g *guard, b *budget) *grpc.Server {
	return newServer(g, grpc.Creds(newClientCredentials()), grpc.StaticStreamWindowSize(streamWindowBytes), grpc.StaticConnWindowSize(connectionWindowBytes),
		grpc.NumStreamWorkers(callWorkers),
		grpc.ChainUnaryInterceptor(b.unary), grpc.ChainStreamInterceptor(b.stream),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: pingAfter, Timeout: pingTimeout, MaxConnectionAge: connectionAgeMax, MaxConnectionAgeGrace: connectionAgeGrace,
		}))
}

// newServer makes a gRPC server, with everything that is unsafe by default replaced.
func newServer(g *guard, more ...grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append([]grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxConcurrentStreams(streamsMax),
		grpc.MaxHeaderListSize(headerBytesMax),
		grpc.MaxRecvMsgSize(requestBytesMax),
		grpc.MaxSendMsgSize(responseBytesMax),
		grpc.WriteBufferSize(writeBufferBytes),
		experimental.BufferPool(new(wire.Buffers)),
		grpc.ConnectionTimeout(handshakeMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsApart, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.ChainUnaryInterceptor(g.unary),
		grpc.ChainStreamInterceptor(g.stream),
		// Stop waits for the calls that it breaks off: the partitions they use are closed next.
		grpc.WaitForHandlers(true),
	}, more...)...)
}
