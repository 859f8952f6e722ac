package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// cluster is three servers of the peer.
type cluster struct {
	servers []*server
	dir     string
}

// server is one of them.
type server struct {
	*process
	name, url string
}

// startWithin is how long servers may take to elect each other.
const startWithin = 60 * time.Second

// startCluster starts servers over empty disks, and returns when they take orders.
func startCluster(ctx context.Context, program string, synced bool) (_ *cluster, err error) {
	dir, err := os.MkdirTemp("", "freshet-peers-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	ports, err := freePorts(ctx, 2*peerServers)
	if err != nil {
		return nil, err
	}
	clients, routes := ports[:peerServers], ports[peerServers:]
	for i := range peerServers {
		name := fmt.Sprintf("n%d", i+1)
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, err
		}
		file := filepath.Join(own, "nats.conf")
		text := configurationOf(name, clients[i], routes[i], routes, filepath.Join(own, "data"), synced)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		p, err := start(own, program, "--config", file)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, &server{process: p, name: name, url: fmt.Sprintf("nats://127.0.0.1:%d", clients[i])})
	}
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// freePorts are some that nobody has. Somebody could take one before it is used; then the server doesn't start, and the run fails.
func freePorts(ctx context.Context, many int) (ports []int, err error) {
	var open []net.Listener
	defer func() {
		for _, l := range open {
			err = errors.Join(err, l.Close())
		}
	}()
	for range many {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		open = append(open, l)
		at, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, int(at.Port()))
	}
	return ports, nil
}

// await returns when the servers keep a stream of three replicas.
func (c *cluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	var last error
	for pause(ctx, 50*time.Millisecond) {
		for _, s := range c.servers {
			if !s.running() {
				return fmt.Errorf("server %s has ended: %s", s.name, c.logOf(s))
			}
		}
		if last = c.try(ctx); last == nil {
			return nil
		}
	}
	return fmt.Errorf("the servers don't take orders: %w", errors.Join(ctx.Err(), last))
}

func (c *cluster) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, js, err := c.connect(c.servers[0].url)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "first", Subjects: []string{"first"}, Replicas: peerServers}); err != nil {
		return err
	}
	return js.DeleteStream(ctx, "first")
}

// connect connects to a server; the client tries the others when that is gone.
func (c *cluster) connect(first string, options ...jetstream.JetStreamOpt) (*nats.Conn, jetstream.JetStream, error) {
	urls := []string{first}
	for _, s := range c.servers {
		if s.url != first {
			urls = append(urls, s.url)
		}
	}
	conn, err := nats.Connect(strings.Join(urls, ","), nats.DontRandomize(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectJitter(10*time.Millisecond, 10*time.Millisecond), nats.Timeout(2*time.Second), nats.IgnoreDiscoveredServers())
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn, options...)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}

// processes are those that run.
func (c *cluster) processes() []int {
	var pids []int
	for _, s := range c.servers {
		if s.running() {
			pids = append(pids, s.pid())
		}
	}
	return pids
}

// leader is the server that leads a stream.
func (c *cluster) leader(ctx context.Context, stream jetstream.Stream) (*server, error) {
	for pause(ctx, 20*time.Millisecond) {
		info, err := stream.Info(ctx)
		if err != nil || info.Cluster == nil {
			continue
		}
		for _, s := range c.servers {
			if s.name == info.Cluster.Leader {
				return s, nil
			}
		}
	}
	return nil, fmt.Errorf("nobody leads a stream: %w", context.Cause(ctx))
}

func (c *cluster) logOf(s *server) string {
	text, err := os.ReadFile(filepath.Join(c.dir, s.name, "log"))
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text))
}

// close ends the servers and removes what they wrote.
func (c *cluster) close() error {
	for _, s := range c.servers {
		if s.running() {
			s.kill() // what they hold is thrown away: there is no use in good order
		}
	}
	return os.RemoveAll(c.dir)
}

// pause waits; false: the context has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
