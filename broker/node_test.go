package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// create makes a topic with one queue.
func (r *rig) create(topic, queue string) {
	r.t.Helper()
	if _, err := r.admin.CreateTopic(r.context(), &freshetv1.CreateTopicRequest{Name: topic}); err != nil {
		r.t.Fatal(err)
	}
	_, err := r.admin.CreateSubscription(r.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
		Topic: topic, Name: queue, Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, c := range []struct {
		want   string
		adjust func(*Options)
	}{
		{"Node is empty", func(o *Options) { o.Node = "" }},
		{"Cluster", func(o *Options) { o.Cluster = "a b" }},
		{"Dir is empty", func(o *Options) { o.Dir = "" }},
		{"Listener is nil", func(o *Options) { o.Listener = nil }},
		{"LogBytesMax is 1,", func(o *Options) { o.LogBytesMax = 1 }},
		{"Defaults.Visibility is 13h", func(o *Options) { o.Defaults.Visibility = 13 * time.Hour }},
		{"Defaults.Attempts is -1", func(o *Options) { o.Defaults.Attempts = -1 }},
		{"Defaults.EventBytesMax is 1048577", func(o *Options) { o.Defaults.EventBytesMax = 1<<20 + 1 }},
		{"Defaults.Retention.Age is 10ms", func(o *Options) { o.Defaults.Retention.Age = 10 * time.Millisecond }},
		{"Defaults.Retention.Bytes is 1000", func(o *Options) { o.Defaults.Retention.Bytes = 1_000 }},
		{"Limits.Connections is -1", func(o *Options) { o.Limits.Connections = -1 }},
	} {
		r := newRig(t)
		o := r.options()
		listener := o.Listener
		c.adjust(&o)
		_, err := Start(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
		if o.Listener != nil {
			if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: the listener was left open", c.want)
			}
		}
	}
}

// TestStartRefused starts nodes on directories that aren't theirs.
func TestStartRefused(t *testing.T) {
	r := newRig(t)
	r.start()
	try := func(want string) {
		t.Helper()
		_, err := Start(r.context(), r.options())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	try("in use by process")
	r.stop(r.node)
	r.adjust = func(o *Options) { o.Node = "n2" }
	try(`belongs to node "n1"`)
	r.adjust = func(o *Options) { o.Cluster = "other" }
	try(`belongs to cluster "freshet"`)
	r.adjust = nil
	r.start()
}

func TestHealthAndAdmin(t *testing.T) {
	r := newRig(t)
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.adjust = func(o *Options) { o.Admin, o.Version = admin, "v1.2.3" }
	r.start()
	checked, err := healthgrpc.NewHealthClient(r.conn).Check(r.context(), &healthgrpc.HealthCheckRequest{})
	if err != nil || checked.GetStatus() != healthgrpc.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", checked, err)
	}
	for path, want := range map[string]string{
		"/healthz": "200 ok", "/": "200 freshet v1.2.3 go", "/nothing": "404", "/debug/pprof/goroutine?debug=1": "200 goroutine profile",
	} {
		if got := r.get(admin.Addr(), path); !strings.HasPrefix(got, want) {
			t.Errorf("%s answers %q, want %q", path, got, want)
		}
	}
	goroutines := r.get(admin.Addr(), "/debug/pprof/goroutine?debug=1")
	for _, labels := range []string{
		`"group":"p0", "role":"proposer", "stage":"propose"`, `"group":"p0", "role":"raft-library", "stage":"commit"`,
		`"role":"log-writer", "stage":"sync"`, `"role":"api", "stage":"connection"`,
	} {
		if !strings.Contains(goroutines, labels) {
			t.Errorf("no goroutine is labelled %s in\n%s", labels, goroutines)
		}
	}
	r.node.fail(errors.New("the disk is gone"))
	if got := r.get(admin.Addr(), "/healthz"); !strings.HasPrefix(got, "503 failed: the disk is gone") {
		t.Errorf("after a failure /healthz answers %q", got)
	}
	if err := r.node.Shutdown(r.context()); err != nil {
		t.Error(err)
	}
}

// get returns status and body.
func (r *rig) get(at net.Addr, path string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.context(), http.MethodGet, "http://"+at.String()+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

// TestFatal: a node whose log fails is done, says why, and can still be shut down.
func TestFatal(t *testing.T) {
	r := newRig(t)
	told := make(chan error, 10)
	r.adjust = func(o *Options) { o.Fatal = func(err error) { told <- err } }
	r.start()
	broken := errors.New("the disk is gone")
	r.node.fail(broken)
	r.node.fail(errors.New("and again"))
	<-r.node.Done()
	if err := r.node.Err(); !errors.Is(err, broken) {
		t.Errorf("Err is %v", err)
	}
	if err := r.node.Shutdown(r.context()); err != nil {
		t.Error(err)
	}
	if len(told) != 1 {
		t.Errorf("Fatal was called %d times", len(told))
	}
}

// TestConnectionLimit: the one too many is closed at once, and there is room again when another goes.
func TestConnectionLimit(t *testing.T) {
	r := newRig(t)
	r.adjust = func(o *Options) { o.Limits.Connections = 2 }
	r.start()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", r.node.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() }) //nolint:errcheck // it may be closed already
		return c
	}
	// The node greets every connection that it keeps with a SETTINGS frame.
	kept := func(c net.Conn) bool {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, err := io.ReadFull(c, make([]byte, 9))
		return err == nil
	}
	first, second := dial(), dial()
	if !kept(first) || !kept(second) {
		t.Fatal("one of two connections was refused")
	}
	if kept(dial()) {
		t.Fatal("a third connection was kept")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !kept(dial()); {
		if time.Now().After(deadline) {
			t.Fatal("there is no room again")
		}
	}
	if r.node.listening.refused.Load() == 0 {
		t.Error("refusals weren't counted")
	}
}

// TestPanic: a panic ends its call alone, is counted, and tells the caller nothing; as does an error that nobody foresaw.
func TestPanic(t *testing.T) {
	r := newRig(t)
	r.start()
	r.services().authorise = func(context.Context, principal, action, resource) error { panic("a secret") }
	_, err := r.admin.DescribeCluster(r.context(), &freshetv1.DescribeClusterRequest{})
	if got := showError(err); !strings.HasPrefix(got, "FR9001 Internal") || strings.Contains(got, "secret") {
		t.Errorf("got %s", got)
	}
	if n := r.node.guard.panics.Load(); n != 1 {
		t.Errorf("%d panics counted", n)
	}
	r.services().authorise = func(context.Context, principal, action, resource) error { return errors.New("a secret") }
	_, err = r.admin.DescribeCluster(r.context(), &freshetv1.DescribeClusterRequest{})
	if got := showError(err); !strings.HasPrefix(got, "FR9001 Internal") || strings.Contains(got, "secret") || r.node.guard.internal.Load() != 1 {
		t.Errorf("got %s", got)
	}
	r.services().authorise = openToAll
	if _, err := r.admin.DescribeCluster(r.context(), &freshetv1.DescribeClusterRequest{}); err != nil {
		t.Error(err)
	}
}

// TestEveryMethodIsAuthorised calls every method of every service as somebody who may do nothing (N1).
func TestEveryMethodIsAuthorised(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	s := &story{rig: r, receipts: map[string]string{}}
	sealed := r.services().sealer.seal(exampleReceipts()[1])
	requests := map[string]string{
		"Publish": `{"topic":"t","block":"eA=="}`, "Receive": `{"topic":"t","subscription":"q"}`,
		"Ack": `{"receipts":["` + sealed + `"]}`, "Reject": `{"receipts":["` + sealed + `"]}`,
		"Extend": `{"receipts":["` + sealed + `"],"visibilityMs":1000}`, "Release": `{"receipts":["` + sealed + `"]}`,
		"Read": `{"topic":"t"}`, "Ready": `{"topic":"t","subscription":"q"}`, "Route": `{"topic":"t"}`, "DescribeNode": `{}`, "CreateTopic": `{"name":"n"}`, "ListTopics": `{}`,
		"CreateSubscription": `{"subscription":{"topic":"t","name":"n","kind":1}}`, "ListSubscriptions": `{"topic":"t"}`,
		"ListDeadLetters": `{"topic":"t","subscription":"q"}`, "DescribeCluster": `{}`, "ReplaceNode": `{"node":"n1"}`,
		"DeleteTopic": `{"name":"t"}`, "DeleteSubscription": `{"topic":"t","subscription":"q"}`,
		"RedriveDeadLetters": `{"topic":"t","subscription":"q"}`,
		"Consume":            `{"attach":{"topic":"t","subscription":"q","session":"AAAAAAAAAAAAAAAAAAAAAA==","credit":{"events":1}}}`,
		"PublishStream":      `{"topic":"t","block":"eA=="}`,
	}
	r.services().authorise = func(_ context.Context, p principal, a action, on resource) error {
		return status.Errorf(codes.PermissionDenied, "%s may not %v %v", p.method, a, on)
	}
	for _, file := range []*grpc.ServiceDesc{
		&freshetv1.PublishService_ServiceDesc, &freshetv1.ConsumeService_ServiceDesc, &freshetv1.AdminService_ServiceDesc, &freshetv1.RouteService_ServiceDesc,
	} {
		var methods []string
		for _, m := range file.Methods {
			methods = append(methods, m.MethodName)
		}
		for _, m := range file.Streams {
			methods = append(methods, m.StreamName)
		}
		for _, method := range methods {
			req, ok := requests[method]
			if !ok {
				t.Errorf("no request for %s: add one", method)
				continue
			}
			if _, err := s.answer(file.ServiceName+"/"+method, req); status.Code(err) != codes.PermissionDenied {
				t.Errorf("%s answers %v", method, err)
			}
		}
	}
}
