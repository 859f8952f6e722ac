package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// publishLines publishes a block of the input's lines.
func (s *story) publishLines(a arguments) (string, error) {
	o := block.Options{}
	if a.text("codec") == "s2" {
		o.Codec = block.CodecS2
	}
	if p := a.text("producer"); p != "" {
		copy(o.Producer.ID[:], p)
		o.Producer.Epoch, o.Producer.Sequence = uint32(a.number("epoch")), a.number("seq")
	}
	var lines []string
	for line := range strings.SplitSeq(a.Input, "\n") {
		if n, rest, ok := strings.Cut(line, " times "); ok {
			times, err := strconv.Atoi(n)
			if err != nil {
				s.t.Fatal(err)
			}
			for range times {
				lines = append(lines, rest)
			}
			continue
		}
		lines = append(lines, line)
	}
	res, err := s.publish.Publish(s.context(), &freshetv1.PublishRequest{
		Topic: a.word(0), Block: blockOf(s.t, o, lines), RequireJson: a.has("json"), ReportMatches: a.has("report"),
	})
	if err != nil {
		return "", err
	}
	return showPublished(res), nil
}

func showPublished(res *freshetv1.PublishResponse) string {
	out := fmt.Sprintf("partition %d, %d from %d", res.GetPartition(), res.GetEvents(), res.GetFirstOffset())
	if res.GetDuplicate() {
		out += ", stored before"
	}
	for _, r := range res.GetRepeats() {
		out += fmt.Sprintf("\n%d repeats %d", r.GetEvent(), r.GetFirstOffset())
	}
	for _, m := range res.GetMatched() {
		out += fmt.Sprintf("\n%s gets %d", m.GetSubscription(), m.GetEvents())
	}
	return out
}

// receive are the one-shot steps.
func (s *story) receive(a arguments) (string, error) {
	ctx := s.context()
	if a.Cmd != "take" {
		var named []string
		for _, name := range a.words() {
			if text, ok := s.receipts[name]; ok {
				name = text
			}
			named = append(named, name)
		}
		var res *freshetv1.SettleResponse
		var err error
		switch a.Cmd {
		case "ack":
			res, err = s.consume.Ack(ctx, &freshetv1.AckRequest{Receipts: named})
		case "extend":
			res, err = s.consume.Extend(ctx, &freshetv1.ExtendRequest{Receipts: named, VisibilityMs: a.ms("by")})
		case "release":
			res, err = s.consume.Release(ctx, &freshetv1.ReleaseRequest{Receipts: named, AfterMs: a.ms("after"), Reason: a.text("reason")})
		case "reject":
			res, err = s.consume.Reject(ctx, &freshetv1.RejectRequest{Receipts: named, Reason: a.text("reason")})
		}
		if err != nil {
			return "", err
		}
		lost := make([]string, 0, len(res.GetLost()))
		for _, i := range res.GetLost() {
			lost = append(lost, a.word(int(i)))
		}
		if len(lost) > 0 {
			return "lost: " + strings.Join(lost, " "), nil
		}
		return "ok", nil
	}
	topic, sub, member := a.place(0)
	req := &freshetv1.ReceiveRequest{
		Topic: topic, Subscription: sub, Member: member, MaxEvents: uint32(a.number("n")), MaxBytes: a.number("bytes"), VisibilityMs: a.ms("visibility"),
	}
	if a.has("wait") {
		req.WaitMs = 20_000
	}
	res, err := s.consume.Receive(ctx, req)
	if err != nil {
		return "", err
	}
	names := make([]string, len(res.GetReceipts()))
	for i, text := range res.GetReceipts() {
		names[i] = "r" + strconv.Itoa(len(s.receipts)+1)
		s.receipts[names[i]] = text
	}
	return s.showDelivery(res.GetDelivery(), names), nil
}

// showDelivery writes a delivery's events, an offset and an attempt each.
func (s *story) showDelivery(d *freshetv1.Delivery, names []string) string {
	if d == nil {
		return "nothing"
	}
	events := eventsOf(s.t, d.GetBlocks()...)
	var lines []string
	i := 0
	for _, run := range d.GetEvents() {
		for k := range run.GetCount() {
			line := fmt.Sprintf("%d attempt %d: %s", run.GetFirst()+uint64(k), run.GetAttempt(), events[i])
			if names != nil {
				line = names[i] + " is " + line
			}
			lines = append(lines, line)
			i++
		}
	}
	if i != len(events) {
		s.t.Errorf("the delivery names %d events and has %d", i, len(events))
	}
	return strings.Join(lines, "\n")
}

// read reads a topic to its head.
func (s *story) read(a arguments) (string, error) {
	req := &freshetv1.ReadRequest{Topic: a.word(0), Pattern: strings.TrimSpace(a.Input)}
	switch {
	case a.has("earliest"):
		req.From = &freshetv1.ReadRequest_Earliest{Earliest: true}
	case a.text("offset") != "":
		req.From = &freshetv1.ReadRequest_Offset{Offset: a.number("offset")}
	case a.text("ago") != "":
		req.From = &freshetv1.ReadRequest_TimeMs{TimeMs: s.clock.Now().Add(-a.parse(a.text("ago"))).UnixMilli()}
	}
	stream, err := s.consume.Read(s.context(), req)
	if err != nil {
		return "", err
	}
	var lines []string
	for {
		res, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return listed(lines, false), nil
		}
		if err != nil {
			return "", err
		}
		lines = append(lines, s.showRead(res)...)
	}
}

func (s *story) showRead(res *freshetv1.ReadResponse) (lines []string) {
	if before := res.GetTruncatedBefore(); before > 0 {
		lines = append(lines, fmt.Sprintf("gap before %d", before))
	}
	if res.GetBlock() == nil {
		return lines
	}
	events := eventsOf(s.t, res.GetBlock())
	for _, run := range res.GetEvents() {
		for k := range run.GetCount() {
			lines = append(lines, fmt.Sprintf("%d at +%v: %s", run.GetFirst()+uint64(k), since(res.GetStoredMs()), events[0]))
			events = events[1:]
		}
	}
	return lines
}

// call makes any call with a request as JSON, and shows the first answer. "(N times X)" in it stands for X N times.
func (s *story) call(a arguments) (string, error) {
	res, err := s.answer("freshet.v1."+a.word(0), repeated(s, a.Input))
	if err != nil {
		return "", err
	}
	raw, err := protojson.Marshal(res)
	if err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		s.t.Fatal(err)
	}
	return out.String(), nil
}

// answer makes a call of any kind with one request, and returns the first answer.
func (s *story) answer(method, request string) (proto.Message, error) {
	service, name, _ := strings.Cut(method, "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		s.t.Fatal(err)
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		s.t.Fatalf("%s is no method", method)
	}
	req, res := newMessage(s, m.Input()), newMessage(s, m.Output())
	if err := protojson.Unmarshal([]byte(request), req); err != nil {
		s.t.Fatalf("%s: %v", method, err)
	}
	stream, err := s.conn.NewStream(s.context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+method)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return res, stream.RecvMsg(res)
}

func newMessage(s *story, d protoreflect.MessageDescriptor) proto.Message {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		s.t.Fatal(err)
	}
	return t.New().Interface()
}

// repeated writes out "(N times X)".
func repeated(s *story, text string) string {
	for {
		before, rest, ok := strings.Cut(text, "(")
		if !ok {
			return text
		}
		inside, after, _ := strings.Cut(rest, ")")
		n, what, ok := strings.Cut(inside, " times ")
		times, err := strconv.Atoi(n)
		if !ok || err != nil {
			s.t.Fatalf("(%s) isn't (N times X)", inside)
		}
		text = before + strings.Repeat(what, times) + after
	}
}
