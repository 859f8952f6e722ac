package broker

import (
	"context"
	"path"
	"runtime/pprof"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// callLabels are what profiles show of the goroutines of calls: the method as their role, and the stage of an event's way that it is for. They are made
// once, so that a call sets a pointer. What a call starts itself inherits them. Calls that aren't on an event's way keep the server's.
var callLabels = map[string]context.Context{
	freshetv1.PublishService_Publish_FullMethodName:       labelsOfCall(freshetv1.PublishService_Publish_FullMethodName, "admit"),
	freshetv1.PublishService_PublishStream_FullMethodName: labelsOfCall(freshetv1.PublishService_PublishStream_FullMethodName, "admit"),
	freshetv1.ConsumeService_Consume_FullMethodName:       labelsOfCall(freshetv1.ConsumeService_Consume_FullMethodName, "ack"),
	freshetv1.ConsumeService_Receive_FullMethodName:       labelsOfCall(freshetv1.ConsumeService_Receive_FullMethodName, "deliver"),
	freshetv1.ConsumeService_Ready_FullMethodName:         labelsOfCall(freshetv1.ConsumeService_Ready_FullMethodName, "deliver"),
	freshetv1.ConsumeService_Read_FullMethodName:          labelsOfCall(freshetv1.ConsumeService_Read_FullMethodName, "deliver"),
	freshetv1.ConsumeService_Ack_FullMethodName:           labelsOfCall(freshetv1.ConsumeService_Ack_FullMethodName, "ack"),
	freshetv1.ConsumeService_Extend_FullMethodName:        labelsOfCall(freshetv1.ConsumeService_Extend_FullMethodName, "ack"),
	freshetv1.ConsumeService_Release_FullMethodName:       labelsOfCall(freshetv1.ConsumeService_Release_FullMethodName, "ack"),
	freshetv1.ConsumeService_Reject_FullMethodName:        labelsOfCall(freshetv1.ConsumeService_Reject_FullMethodName, "ack"),
}

// answerLabels are those of who sends the answers of a publishing stream.
var answerLabels = labelsOfCall(freshetv1.PublishService_PublishStream_FullMethodName, "answer")

func labelsOfCall(method, stage string) context.Context {
	//nolint:forbidigo // pprof takes labels only with a context; nothing is cancelled by it
	return pprof.WithLabels(context.Background(), pprof.Labels("role", path.Base(method), "stage", stage))
}

// labelCall labels the goroutine of a call. It is the call's own and ends with it, so nothing is put back.
func labelCall(method string) {
	if labels := callLabels[method]; labels != nil {
		pprof.SetGoroutineLabels(labels)
	}
}
