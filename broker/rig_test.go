package broker

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// patience bounds every wait of a test that works, in real time: it only ends tests that don't.
const patience = 20 * time.Second

// rig is a node in this process, and a connection to it.
type rig struct {
	t     *testing.T
	dir   string
	clock *turnedClock
	// adjust changes the options of the next start.
	adjust func(*Options)

	node    *Node
	conn    *grpc.ClientConn
	publish freshetv1.PublishServiceClient
	consume freshetv1.ConsumeServiceClient
	admin   freshetv1.AdminServiceClient
}

func newRig(t *testing.T) *rig { return &rig{t: t, dir: t.TempDir(), clock: newTurnedClock()} }

// options of a node on the rig's directory, with a listener of its own.
func (r *rig) options() Options {
	r.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	o := Options{Node: "n1", Dir: r.dir, Partitions: 1, Listener: listener, Clock: r.clock, Logger: slog.New(slog.NewTextHandler(testLog{r.t}, nil))}
	if r.adjust != nil {
		r.adjust(&o)
	}
	return o
}

// testLog writes a node's log where a failing test shows it.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

// start starts the node and connects to it.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	node, err := Start(ctx, r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	r.node = node
	r.t.Cleanup(func() { r.stop(node) })
	r.connect()
}

func (r *rig) connect() {
	r.t.Helper()
	conn, err := grpc.NewClient(r.node.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(responseBytesMax)))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			r.t.Log(err)
		}
	})
	r.conn = conn
	r.publish = freshetv1.NewPublishServiceClient(conn)
	r.consume = freshetv1.NewConsumeServiceClient(conn)
	r.admin = freshetv1.NewAdminServiceClient(conn)
}

// stop stops a node in order.
func (r *rig) stop(node *Node) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		r.t.Errorf("shutdown: %v", err)
	}
}

// kill leaves the node as a kill would: what is on disk now is taken over by a directory of its own, and nothing that the old one does from now on
// reaches that.
func (r *rig) kill() {
	r.t.Helper()
	copied := r.t.TempDir()
	err := filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the log was making a spare segment, which has another name by now
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		to := filepath.Join(copied, name)
		if entry.IsDir() {
			return os.MkdirAll(to, directoryMode)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // likewise
		}
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, fileMode)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.dir = copied
}

// context bounds one step of a test.
func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// services are what the node's handlers have.
func (r *rig) services() *services { return r.node.services }
