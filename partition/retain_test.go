package partition

import (
	"errors"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// However many publish at once, the part of the log that is for acks stays theirs.
func TestPublishersLeaveRoomForAcks(t *testing.T) {
	p := openWith(t, Options{Log: testNode(t, t.TempDir(), smallLog)})
	var wg sync.WaitGroup
	for range 600 {
		wg.Go(func() {
			_, err := p.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 50_000, block.Producer{})})
			if full := (*LogFullError)(nil); err != nil && !errors.As(err, &full) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// A log that is nearly full makes room by moving what is wanted to its front (raftlog's DESIGN.md, "When logs are full"): for a moment that takes some of the
	// part that publishers leave, never all of it.
	if u := p.group.Usage(); u.Bytes >= u.BytesMax || u.Bytes < u.BytesMax/2 {
		t.Fatalf("the log holds %d bytes of %d, publishing may use %d", u.Bytes, u.BytesMax, publishingLimit(u))
	}
	if _, err := p.Take(t.Context(), TakeCommand{Cursor: CursorID{Subscription: 10}, Events: 1}); err != nil {
		t.Fatal(err)
	}
}
