package logstoretest

import (
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
)

// Stores is what the library is given.
type Stores interface {
	raft.LogStore
	raft.StableStore
}

// Implementation is what is tested.
type Implementation struct {
	// Open returns an empty store, which is closed when the test ends.
	Open func(t *testing.T) Stores
	// Reopen closes a store that Open or Reopen has returned and opens it again. Without it nothing is expected to last.
	Reopen func(t *testing.T, store Stores) Stores
}

// Run tests an implementation.
func Run(t *testing.T, i Implementation) {
	t.Run("empty", func(t *testing.T) { testEmptyLog(t, i.Open(t)) })
	t.Run("append and get", func(t *testing.T) { testAppendAndGet(t, i.Open(t)) })
	t.Run("overruled suffix", func(t *testing.T) { testOverruledSuffix(t, i.Open(t)) })
	t.Run("prefix", func(t *testing.T) { testPrefix(t, i.Open(t)) })
	t.Run("everything goes", func(t *testing.T) { testEverythingGoes(t, i.Open(t)) })
	t.Run("nothing to remove", func(t *testing.T) { testNothingToRemove(t, i.Open(t)) })
	t.Run("stable values", func(t *testing.T) { testStableValues(t, i.Open(t)) })
	if i.Reopen != nil {
		t.Run("reopen", func(t *testing.T) { testReopen(t, i) })
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("random seed=%d", seed), func(t *testing.T) { testAgainstMap(t, i, seed) })
	}
}
