package broker

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"google.golang.org/grpc"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// guard stands around every call: a panic in one ends that call alone, is logged with its stack, and counted; an error gets the form of
// errors.proto.
type guard struct {
	logger *slog.Logger
	names  names
	// panics and internal count what should never happen.
	panics, internal atomic.Uint64
	// refused counts what clients were refused, by code.
	refused refusals
}

// unary is the guard around a call with one answer.
func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, g.recovered(info.FullMethod, p)
		}
	}()
	labelCall(info.FullMethod)
	answer, err = handle(ctx, req)
	return answer, g.answer(ctx, info.FullMethod, err)
}

// stream is the guard around a stream.
func (g *guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.recovered(info.FullMethod, p)
		}
	}()
	labelCall(info.FullMethod)
	return g.answer(stream.Context(), info.FullMethod, handle(srv, stream))
}

func (g *guard) recovered(method string, p any) error {
	g.panics.Add(1)
	g.logger.Error("panic in a call", "method", method, "panic", p, "stack", string(debug.Stack()))
	return faultf(freshetv1.ErrorCode_ERROR_CODE_INTERNAL, "the node met a fault of its own; its log has the details")
}

// answer gives a call's error its form. What nobody foresaw is logged, since the caller isn't told.
func (g *guard) answer(ctx context.Context, method string, err error) error {
	told := callError(err, g.names)
	if connectionOf(ctx) != nil { // another node's is counted there
		g.refused.count(told)
	}
	g.logUnforeseen(method, told, err)
	return told
}

// logUnforeseen logs an error that a client is told about as FR9001.
func (g *guard) logUnforeseen(method string, told, err error) {
	if f, ok := told.(*fault); ok && f.code == freshetv1.ErrorCode_ERROR_CODE_INTERNAL { //nolint:errorlint // callError returns it bare
		g.internal.Add(1)
		g.logger.Error("a call met a fault of the node's own", "method", method, "error", err)
	}
}
