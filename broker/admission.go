package broker

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// unary admits a call with one answer, if there is room for it.
func (b *budget) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	conn := connectionOf(ctx)
	if conn == nil {
		return handle(ctx, req)
	}
	bytes := int64(callBytes)
	if m, ok := req.(proto.Message); ok {
		bytes += int64(proto.Size(m))
	}
	pool := b.calls
	if _, ok := req.(*freshetv1.PublishRequest); ok {
		if pool = b.tryBlock(bytes); pool == nil {
			return nil, b.blocks.full()
		}
	} else if !pool.try(bytes) {
		return nil, pool.full()
	}
	defer pool.give(bytes)
	res, err := handle(ctx, req)
	if err != nil {
		return nil, err
	}
	return b.answer(ctx, conn, res)
}

// stream admits a stream.
func (b *budget) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	conn := connectionOf(stream.Context())
	if conn == nil {
		return handle(srv, stream)
	}
	if !b.calls.try(callBytes) {
		return b.calls.full()
	}
	defer b.calls.give(callBytes)
	s := &boundedStream{ServerStream: stream, budget: b, conn: conn, patient: info.FullMethod == freshetv1.ConsumeService_Read_FullMethodName}
	conn.beginStream(s)
	defer conn.endStream(s)
	defer s.finish()
	return handle(srv, s)
}

// boundedStream is a client's stream, whose messages are counted.
type boundedStream struct {
	grpc.ServerStream
	budget *budget
	conn   *connection
	// patient: the client may take its time to read.
	patient bool
	// sending is since when a message can't be sent, in nanoseconds since 1970; 0 while none waits.
	sending atomic.Int64

	mu struct {
		sync.Mutex
		// received is what the last request counts for, until the next is read. ended: nobody is interested any more.
		received int64
		ended    bool
	}
}

// SendMsg implements grpc.ServerStream.
func (s *boundedStream) SendMsg(m any) (err error) {
	s.sending.Store(time.Now().UnixNano())
	defer s.sending.Store(0)
	if f, ok := m.(*frame); ok {
		m, err = s.budget.room(s.Context(), s.conn, &outgoing{frame: f, size: f.data.Len()}, f)
	} else {
		m, err = s.budget.answer(s.Context(), s.conn, m)
	}
	if err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

// RecvMsg implements grpc.ServerStream.
func (s *boundedStream) RecvMsg(m any) error {
	s.count(0)
	if err := s.ServerStream.RecvMsg(m); err != nil {
		if status.Code(err) == codes.ResourceExhausted { // the one thing that grpc itself refuses so
			return faultf(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, "the request is larger than the %d bytes that one may have: %s", requestBytesMax, status.Convert(err).Message()).
				with("field", "request").with("limit", strconv.Itoa(requestBytesMax))
		}
		return err
	}
	if _, ok := m.(*freshetv1.PublishRequest); ok { // blocks are counted until they are answered (publish_stream.go)
		return nil
	}
	message, ok := m.(proto.Message)
	if !ok {
		return nil
	}
	bytes := int64(proto.Size(message))
	if !s.budget.calls.try(bytes) {
		return s.budget.calls.full()
	}
	s.count(bytes)
	return nil
}

// count counts a request in place of the one before.
func (s *boundedStream) count(bytes int64) {
	s.mu.Lock()
	before := s.mu.received
	s.mu.received = bytes
	if s.mu.ended { // its call didn't wait for it
		before += bytes
		s.mu.received = 0
	}
	s.mu.Unlock()
	if before > 0 {
		s.budget.calls.give(before)
	}
}

func (s *boundedStream) finish() {
	s.mu.Lock()
	s.mu.ended = true
	s.mu.Unlock()
	s.count(0)
}
