package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
)

// A node whose data directory is empty may be one of those that found a cluster, or one of an old cluster whose disk is gone. The latter has forgotten
// whom it voted for and what it stored, and the others count on both; if it took part as before, a majority could lack what a majority has
// stored. So a node with a new directory greets all others, and takes part in nothing until it knows which of the two it is:
//
//	           all others answer, and none has     ┌──────────────────────────────────────────────────────────────┐
//	           begun without having heard of it ──▶│ generation 1: it begins, with what it was told of the others │
//	new ──▶ greets ─┤                              └──────────────────────────────────────────────────────────────┘
//	           the catalog knows its directory ──▶ it takes part in the generation that the catalog says (members.go)
//	           the catalog knows another one ──▶ it waits: somebody has to say that the other is gone for good (ReplaceNode)
//
// So a cluster is founded when all of its nodes are there for once; which directory each came with is in the catalog from the first. Later it goes on with
// any majority: a node whose directory isn't new waits for nobody.
type greeter struct {
	options   *Options
	directory *directory
	peers     *peers
	logger    *slog.Logger

	mu struct {
		sync.Mutex
		metadata *metadata // once it is open
	}
}

const (
	// greetWithin bounds one greeting, and greetApart is how long a node waits before the next.
	greetWithin = time.Second
	greetApart  = 100 * time.Millisecond
)

// greet answers another node.
func (g *greeter) greet(req *peerpb.GreetRequest) *peerpb.GreetResponse {
	g.mu.Lock()
	defer g.mu.Unlock()
	res := &peerpb.GreetResponse{Stage: peerpb.Stage_STAGE_NEW, Directory: g.directory.Directory}
	if g.directory.Generation > 0 {
		res.Stage = peerpb.Stage_STAGE_BEGUN
		res.Known = g.directory.Founders[req.GetNode()]
	}
	if g.mu.metadata == nil {
		return res
	}
	view := g.mu.metadata.view()
	if _, founded := view.Cluster(); !founded {
		return res
	}
	res.Stage, res.Known = peerpb.Stage_STAGE_FOUNDED, ""
	if member, ok := view.Member(req.GetNode()); ok {
		res.Known, res.Generation = member.Directory, member.Generation
	}
	return res
}

// knows has answers come from the catalog too.
func (g *greeter) knows(m *metadata) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.metadata = m
}

// begin notes that the node takes part.
func (g *greeter) begin(generation uint32, founders map[string]string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.directory.begin(generation, founders)
}

// identity is what node.json says now.
func (g *greeter) identity() identity {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.directory.identity
}

// join notes which cluster the node has joined.
func (g *greeter) join(cluster string, partitions int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.directory.join(cluster, partitions)
}

// enter waits until the node may take part. One that has before, and one that is all of its cluster, may.
func (g *greeter) enter(ctx context.Context) error {
	if g.directory.Generation > 0 {
		return nil
	}
	if len(g.options.Peers) < 2 {
		return g.begin(1, nil)
	}
	var said time.Time
	for {
		told := g.greetAll(ctx)
		entry := decideEntry(g.options.otherNodes(), told, g.directory.Directory)
		switch {
		case entry.generation == 1 && entry.founders != nil:
			entry.founders[g.options.Node] = g.directory.Directory
			fallthrough
		case entry.generation > 0:
			return g.begin(entry.generation, entry.founders)
		}
		if now := time.Now(); now.Sub(said) >= joinSay {
			said = now
			g.say(entry)
		}
		timer := time.NewTimer(greetApart)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", entry.waits(g.options.Node), context.Cause(ctx))
		}
	}
}

func (g *greeter) say(e entry) {
	say := g.logger.Info
	if e.replaces {
		say = g.logger.Warn
	}
	say(e.waits(g.options.Node), "node", g.options.Node, "directory", g.directory.path)
}

// greetAll greets all other nodes, and returns what those have said that answered.
func (g *greeter) greetAll(ctx context.Context) map[string]*peerpb.GreetResponse {
	ctx, cancel := context.WithTimeout(ctx, greetWithin)
	defer cancel()
	var mu sync.Mutex
	told := map[string]*peerpb.GreetResponse{}
	var greeting sync.WaitGroup
	for name, conn := range g.peers.conns {
		greeting.Go(func() {
			res, err := peerpb.NewPeerServiceClient(conn).Greet(ctx, &peerpb.GreetRequest{Node: g.options.Node})
			if err != nil {
				g.logger.Debug("a node doesn't answer a greeting", "node", name, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			told[name] = res
		})
	}
	greeting.Wait()
	return told
}

// entry is how a node with a new directory may take part.
type entry struct {
	// generation in which it does; 0: it has to wait.
	generation uint32
	// founders has the others' directories, where it is one of those that found the cluster.
	founders map[string]string
	// missing are those that haven't answered, where they have to; replaces: the cluster knows another directory.
	missing  []string
	replaces bool
}

// decideEntry decides it by what the other nodes have told.
func decideEntry(others []string, told map[string]*peerpb.GreetResponse, directory string) entry {
	e := entry{founders: map[string]string{}}
	for _, name := range others {
		res := told[name]
		switch {
		case res == nil:
			e.missing = append(e.missing, name)
			continue
		case res.GetStage() == peerpb.Stage_STAGE_FOUNDED && res.GetKnown() == directory:
			// The catalog has the last word. One of the founders that began later than a majority did has what it needs to: its directory is known.
			return entry{generation: res.GetGeneration()}
		case res.GetStage() != peerpb.Stage_STAGE_NEW && res.GetKnown() != directory:
			e.replaces = true
		}
		e.founders[name] = res.GetDirectory()
	}
	if e.replaces || len(e.missing) > 0 {
		return entry{missing: e.missing, replaces: e.replaces}
	}
	e.generation = 1
	return e
}

// waits says what for.
func (e entry) waits(node string) string {
	if e.replaces {
		return fmt.Sprintf("the data directory is new, and the cluster knows %s by another one: start the node with that one, "+
			"or, if it is gone for good, have this one take its place: freshet cluster replace %s, at any other node", node, node)
	}
	return "a new cluster waits for all of its nodes, and has yet to hear from " + strings.Join(e.missing, ", ")
}

// foundersOf are the members that a cluster begins with, where this node is among those who found it.
func foundersOf(d *directory) (members []catalog.Member) {
	for _, name := range slices.Sorted(maps.Keys(d.Founders)) {
		members = append(members, catalog.Member{Node: name, Directory: d.Founders[name], Generation: 1})
	}
	return members
}

// errReplaced ends a node that another has taken the place of.
var errReplaced = errors.New("another data directory has taken this one's place in the cluster")

// stays ends the node when the others say that another directory has taken its own's place: it would wait for ever for a leader. It asks until
// somebody knows.
func (g *greeter) stays(ctx context.Context, fail func(error)) {
	mine := g.identity() // joining writes it anew meanwhile
	for len(g.options.Peers) > 1 {
		for _, res := range g.greetAll(ctx) {
			switch {
			case res.GetStage() != peerpb.Stage_STAGE_FOUNDED:
			case res.GetKnown() == mine.Directory:
				return
			case res.GetGeneration() > mine.Generation:
				fail(fmt.Errorf("data directory %s: %w: %s is in generation %d, and this one was its %d; start the node with the other, or empty this one and have it replaced",
					g.directory.path, errReplaced, g.options.Node, res.GetGeneration(), mine.Generation))
				return
			}
		}
		timer := time.NewTimer(orderAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// porch is who answers at the peer port while a node starts: to greetings, and that it does nothing else yet.
type porch struct {
	peerpb.UnimplementedPeerServiceServer
	*greeter
}

// Greet implements peerpb.PeerServiceServer.
func (p porch) Greet(_ context.Context, req *peerpb.GreetRequest) (*peerpb.GreetResponse, error) {
	return p.greet(req), nil
}

// newPorch makes its server.
func newPorch(g *greeter) *grpc.Server {
	// Nothing that it answers has names in it.
	server := newServer(&guard{logger: g.logger}, grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return notLeader("anything yet: it is starting", "")
	}))
	greets := peerpb.PeerService_ServiceDesc
	greets.Streams = nil
	greets.Methods = slices.DeleteFunc(slices.Clone(greets.Methods), func(m grpc.MethodDesc) bool { return m.MethodName != "Greet" })
	server.RegisterService(&greets, porch{greeter: g})
	return server
}

// Greet tells another node what is known of it, and how far this one has come.
func (s *peerService) Greet(ctx context.Context, req *peerpb.GreetRequest) (*peerpb.GreetResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{}); err != nil {
		return nil, err
	}
	res := s.greeter.greet(req)
	res.Progress = append(res.Progress, &peerpb.Progress{Applied: s.metadata.group.Status().Applied})
	for _, p := range s.partitions.all {
		res.Progress = append(res.Progress, &peerpb.Progress{Applied: p.Group().Status().Applied, Debt: p.Status().Debt})
	}
	return res, nil
}
