package raftlog

import (
	"sync"

	"github.com/hashicorp/raft"
)

// own knows the data of this node's own proposals while they are on their way. What the library stores is either that, which is
// the log's to keep, or what came from another node, whose memory the transport uses again. They are told apart by where they are.
type own struct {
	mu struct {
		sync.Mutex
		data map[*byte]struct{}
	}
}

func (o *own) add(data []byte) {
	if len(data) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.data == nil {
		o.mu.data = map[*byte]struct{}{}
	}
	o.mu.data[&data[0]] = struct{}{}
}

func (o *own) remove(data []byte) {
	if len(data) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.mu.data, &data[0])
}

// all says whether entries are nothing but own proposals, and what has no data.
func (o *own) all(entries []*raft.Log) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, entry := range entries {
		if len(entry.Extensions) > 0 {
			return false
		}
		if len(entry.Data) == 0 {
			continue
		}
		if _, mine := o.mu.data[&entry.Data[0]]; !mine {
			return false
		}
	}
	return true
}
