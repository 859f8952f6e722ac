package broker

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// newAdmin makes the HTTP server for those who run the node:
//
//	/healthz        200 while it serves, 503 when it starts to stop or has failed
//	/               what the build is, and what shouldn't happen but did, as text
//	/metrics        for Prometheus (internal/observe)
//	/debug/pprof/   profiles
func newAdmin(n *Node) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", n.serveHealth)
	mux.HandleFunc("GET /{$}", n.serveBuild)
	mux.Handle("GET /metrics", n.metrics.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: handshakeMax,
		ReadTimeout:       handshakeMax,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    headerBytesMax,
	}
}

func (n *Node) serveHealth(w http.ResponseWriter, _ *http.Request) {
	switch err := n.Err(); {
	case err != nil:
		http.Error(w, "failed: "+err.Error(), http.StatusServiceUnavailable)
	case n.life.stopping.Err() != nil:
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	default:
		n.write(w, "ok\n")
	}
}

func (n *Node) serveBuild(w http.ResponseWriter, _ *http.Request) {
	n.write(w, fmt.Sprintf(`freshet %s %s %s/%s
node %s
cluster %s %s
connections %d of %d, refused %d, cut off for not reading %d, for requests without end %d
refused for want of memory: %d calls, %d blocks, %d answers
panics %d
internal errors %d
`, n.options.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, n.options.Node, n.options.Cluster, n.directory.Cluster,
		n.listening.open.Load(), n.listening.limit, n.listening.refused.Load(), n.budget.cut.unread.Load(), n.budget.cut.unfinished.Load(),
		n.budget.calls.refused.Load(), n.budget.blocks.refused.Load(), n.budget.answers.refused.Load(), n.guard.panics.Load(), n.guard.internal.Load()))
}

func (n *Node) write(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := w.Write([]byte(text)); err != nil {
		n.options.Logger.Debug("answering on the admin listener", "error", err)
	}
}
