package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// What a playground is told from another terminal goes through a socket in its
// directory, as HTTP, so that whoever may open the directory may say it:
//
//	POST /nodes/n2/kill ──► 200 {"node":"n2","state":"killed -9"}
//	                        404 no such node   409 it isn't in the state for that

// devSocket is the socket's name. A socket's path has room for some 100 bytes
// (unix(7)).
const (
	devSocket         = "dev.sock"
	devSocketBytesMax = 100
)

// orderAnswer is what a playground answers.
type orderAnswer struct {
	Node  string `json:"node"`
	State string `json:"state,omitempty"`
	// Error says why it wasn't done.
	Error string `json:"error,omitempty"`
	// Nodes are the names that there are, where the one that was named isn't.
	Nodes []string `json:"nodes,omitempty"`
}

// orders are what can be done to a node, and how the playground notes it.
var orders = map[string]struct {
	do   func(context.Context, *cluster.Node) error
	done string
}{
	"kill":   {func(_ context.Context, n *cluster.Node) error { return n.Kill() }, "killed (kill -9)"},
	"empty":  {func(ctx context.Context, n *cluster.Node) error { return n.Empty(ctx) }, "started with an empty data directory"},
	"start":  {func(ctx context.Context, n *cluster.Node) error { return n.Start(ctx) }, "started"},
	"pause":  {func(_ context.Context, n *cluster.Node) error { return n.Pause() }, "paused"},
	"resume": {func(_ context.Context, n *cluster.Node) error { return n.Resume() }, "resumed"},
}

// takeOrders listens in the playground's directory until stop is called.
func (g *playground) takeOrders(dir string) (stop func() error, err error) {
	name := filepath.Join(dir, devSocket)
	if len(name) > devSocketBytesMax {
		return nil, &failure{
			code: codeFile, what: fmt.Sprintf("%s has too long a path for a socket", dir),
			seen: []string{fmt.Sprintf("a socket's path has room for %d bytes, and this one's would have %d", devSocketBytesMax, len(name))},
			try:  []string{"freshet dev --data DIR"},
		}
	}
	// One that is there was left by a playground that was killed: nobody else
	// can have started nodes here.
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fileFailure("the socket of the last playground here", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fileFailure("a socket for orders", err)
	}
	var obeying sync.WaitGroup
	handler := http.NewServeMux()
	handler.HandleFunc("POST /nodes/{node}/{order}", func(w http.ResponseWriter, r *http.Request) {
		obeying.Add(1)
		defer obeying.Done()
		g.obey(w, r)
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: devStartTimeout}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	return func() error {
		err := server.Close() // removes the socket, and ends who waits for a node to start
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		obeying.Wait()
		return err
	}, nil
}

// obey follows one order.
func (g *playground) obey(w http.ResponseWriter, r *http.Request) {
	answer, status := orderAnswer{Node: r.PathValue("node")}, http.StatusOK
	node, order := g.cluster.Node(answer.Node), orders[r.PathValue("order")]
	switch {
	case order.do == nil:
		answer.Error, status = fmt.Sprintf("a playground can't %q a node", r.PathValue("order")), http.StatusBadRequest
	case node == nil:
		answer.Error, status = fmt.Sprintf("this playground has no node %q", answer.Node), http.StatusNotFound
		for _, n := range g.cluster.Nodes() {
			answer.Nodes = append(answer.Nodes, n.Name())
		}
	default:
		if err := order.do(r.Context(), node); err != nil {
			answer.Error, status = err.Error(), http.StatusInternalServerError
			if _, ok := errors.AsType[*cluster.StateError](err); ok {
				status = http.StatusConflict
			}
		} else {
			g.notef("%s was %s", node.Name(), order.done)
		}
		answer.State = node.State().String()
	}
	text, err := jsonLine(answer)
	if err != nil { // unreachable: strings have a JSON form
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that who asked has gone; it is done all the same
}

// devOrder is what the commands that give an order have in common.
type devOrder struct {
	Node string `arg:"" help:"Which: n1, n2, n3."`
	Data string `help:"Directory of the playground; default: the one that runs." placeholder:"DIR"`
}

func (*devOrder) uses() everyday { return usesOutput }

type (
	devKillCommand   struct{ devOrder }
	devEmptyCommand  struct{ devOrder }
	devStartCommand  struct{ devOrder }
	devPauseCommand  struct{ devOrder }
	devResumeCommand struct{ devOrder }
)

// Help tells more.
func (*devKillCommand) Help() string {
	return `
Ends the node's process with SIGKILL, as a power cut would: no goodbye, nothing flushed. Who dials it
is refused until it is started again.

  freshet dev kill n2
  freshet dev kill n2 --data ./playground
`
}

// Help tells more.
func (*devEmptyCommand) Help() string {
	return `
Kills the node if it runs, empties its data directory and starts it again, as a machine whose disk was
lost. It doesn't wait for the node, which takes part in nothing until it is let in: see freshet
cluster replace.

  freshet dev empty n3
`
}

// Help tells more.
func (*devStartCommand) Help() string {
	return `
Starts the node again, on its data and ports, and waits until it serves.

  freshet dev start n2
`
}

// Help tells more.
func (*devPauseCommand) Help() string {
	return `
Stops the node's process where it is (SIGSTOP): its connections stand, and nothing answers, as when a
machine swaps or a virtual one is moved. The other nodes have to notice by themselves.

  freshet dev pause n2
`
}

// Help tells more.
func (*devResumeCommand) Help() string {
	return `
Lets a paused node go on (SIGCONT), as if no time had passed.

  freshet dev resume n2
`
}

func (d *devKillCommand) run(ctx context.Context, call *invocation) error {
	return d.give(ctx, call, "kill")
}

func (d *devEmptyCommand) run(ctx context.Context, call *invocation) error {
	return d.give(ctx, call, "empty")
}

func (d *devStartCommand) run(ctx context.Context, call *invocation) error {
	return d.give(ctx, call, "start")
}

func (d *devPauseCommand) run(ctx context.Context, call *invocation) error {
	return d.give(ctx, call, "pause")
}

func (d *devResumeCommand) run(ctx context.Context, call *invocation) error {
	return d.give(ctx, call, "resume")
}

// give gives an order to the playground, and says what came of it.
func (d *devOrder) give(ctx context.Context, call *invocation, order string) error {
	socket, err := d.socket(ctx)
	if err != nil {
		return err
	}
	answer, status, err := post(ctx, socket, "/nodes/"+url.PathEscape(d.Node)+"/"+order)
	if err != nil {
		return &failure{code: codeUnavailable, what: "the playground at " + filepath.Dir(socket) + " doesn't answer", seen: []string{reasonOf(err)}, cause: err}
	}
	refused := &failure{code: codeCommand, what: answer.Error}
	switch status {
	case http.StatusOK:
		if call.out.structured() {
			call.out.object(answer)
			return nil
		}
		call.out.linef("%s is %s", answer.Node, answer.State)
		return nil
	case http.StatusNotFound:
		refused.code = codeNoNode
		refused.seen = []string{"it has " + strings.Join(answer.Nodes, ", ")}
		if near := closest(d.Node, answer.Nodes); near != "" {
			refused.try = []string{fmt.Sprintf("freshet dev %s %s", order, near)}
		}
	case http.StatusConflict:
		refused.code = codeNodeState
		if order == "start" && strings.Contains(answer.Error, "is paused") {
			refused.try = []string{"freshet dev resume " + d.Node}
		}
	default:
		lines := strings.Split(answer.Error, "\n") // a node that died again says much
		refused.what, refused.seen = lines[0], lines[1:]
	}
	return refused
}

// socket finds the playground.
func (d *devOrder) socket(ctx context.Context) (string, error) {
	pattern := filepath.Join(os.TempDir(), devDirectories+"*", devSocket)
	if d.Data != "" {
		pattern = filepath.Join(d.Data, devSocket)
	}
	found := []string{pattern}
	if d.Data == "" {
		var err error
		if found, err = filepath.Glob(pattern); err != nil {
			return "", err
		}
	}
	var alive []string
	for _, name := range found {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", name)
		if err != nil {
			continue // left by one that was killed
		}
		if err := conn.Close(); err != nil {
			return "", err
		}
		alive = append(alive, name)
	}
	switch {
	case len(alive) == 1:
		return alive[0], nil
	case len(alive) > 1:
		refused := usageFailure(fmt.Sprintf("%d playgrounds are running: which is meant is said with --data", len(alive)))
		for _, name := range alive {
			refused.seen = append(refused.seen, filepath.Dir(name))
		}
		return "", refused
	case d.Data != "":
		return "", &failure{code: codeUnavailable, what: "no playground is running in " + d.Data, try: []string{"freshet dev --nodes 3 --data " + shellQuote(d.Data)}}
	}
	return "", &failure{
		code: codeUnavailable, what: "no playground is running", seen: []string{"one that keeps its data is named with --data DIR"},
		try: []string{"freshet dev --nodes 3"},
	}
}

// post asks the playground.
func post(ctx context.Context, socket, path string) (answer orderAnswer, status int, err error) {
	through := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer through.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://playground"+path, http.NoBody)
	if err != nil {
		return answer, 0, err
	}
	response, err := (&http.Client{Transport: through}).Do(request)
	if err != nil {
		return answer, 0, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return answer, 0, err
	}
	err = json.Unmarshal(body, &answer)
	return answer, response.StatusCode, err
}
