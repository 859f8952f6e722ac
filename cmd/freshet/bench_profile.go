package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// profiling writes processor profiles of nodes and of this process.
type profiling struct {
	dir    string
	nodes  []*cluster.Node
	length time.Duration
	err    error // read it when what begin returned has
}

// begin begins profiling, and returns what waits for its end.
func (p *profiling) begin(ctx context.Context) (ended func()) {
	own, err := p.create("load")
	if err == nil {
		err = pprof.StartCPUProfile(own)
	}
	if err != nil {
		p.err = fileFailure("the profile of the load", err)
		return func() {}
	}
	errs := make([]error, len(p.nodes))
	var all sync.WaitGroup
	for i, node := range p.nodes {
		all.Go(func() { errs[i] = p.fetch(ctx, node) })
	}
	return func() {
		pprof.StopCPUProfile()
		all.Wait()
		p.err = errors.Join(errors.Join(errs...), own.Close())
	}
}

func (p *profiling) create(name string) (*os.File, error) {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(p.dir, name+".pprof"))
}

// fetch has a node profile itself.
func (p *profiling) fetch(ctx context.Context, node *cluster.Node) (err error) {
	seconds := max(1, int(p.length.Seconds()))
	address := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", node.Admin(), seconds)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile of node %s: %w", node.Name(), err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile of node %s: the node answers %s", node.Name(), response.Status)
	}
	file, err := p.create(node.Name())
	if err != nil {
		return fileFailure("the profile of node "+node.Name(), err)
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
