package trial

import (
	"fmt"
	"slices"
	"sync"
)

// troublesMax is how many are kept; what follows the first ones follows from them.
const troublesMax = 20

// Troubles are what is wrong with a trial besides what its history proves: it is a failure all the same. The zero value has none. Many may tell at once.
type Troubles struct {
	mu struct {
		sync.Mutex
		list []string
	}
}

// Addf adds one.
func (t *Troubles) Addf(format string, arguments ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.list) < troublesMax {
		t.mu.list = append(t.mu.list, fmt.Sprintf(format, arguments...))
	}
}

// All are those that were told.
func (t *Troubles) All() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.mu.list)
}
