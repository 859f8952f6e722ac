package broker

import (
	"slices"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// frame is a message that isn't looked at. Who has received one frees its data.
type frame struct{ data mem.BufferSlice }

// keep takes what was received. The list is grpc's, and used again.
func (f *frame) keep(data mem.BufferSlice) {
	data.Ref()
	f.data = slices.Clone(data)
}

// again is the message once more, for somebody who frees it.
func (f *frame) again() mem.BufferSlice {
	f.data.Ref()
	return slices.Clone(f.data)
}

// delivery is a delivery whose blocks' memory is used again when they are on the connection.
type delivery struct{ *freshetv1.ConsumeResponse }

var _ mem.BufferPool = (*delivery)(nil)

// marshal encodes the delivery, with a piece behind it that tells when it is written.
func (d *delivery) marshal(c codec) (mem.BufferSlice, error) {
	data, err := c.CodecV2.Marshal(d.ConsumeResponse)
	if err != nil {
		return nil, err
	}
	return append(data, mem.NewBuffer(&endPiece, d)), nil
}

// Get implements mem.BufferPool. Nobody gets a piece from here.
func (d *delivery) Get(size int) *[]byte { return mem.DefaultBufferPool().Get(size) }

// Put implements mem.BufferPool: grpc frees the pieces of a message in their order, so nobody looks at the blocks any more.
func (d *delivery) Put(*[]byte) {
	blocks := d.GetDelivery().GetBlocks()
	for i, b := range blocks {
		blocks[i] = nil
		block.FreeBuffer(b)
	}
}

// outgoing is an answer whose room is given back when it has been written to the connection: a message, or a frame.
type outgoing struct {
	message proto.Message
	frame   *frame
	size    int
	hold    *answerHold
}

// smallBytes is what an answer may have that isn't counted: its call is.
const smallBytes = 1 << 10

// marshal encodes the answer, with a piece behind it that has no bytes: grpc frees the pieces of what it has written, or gives up, and so the hold learns
// of it.
func (o *outgoing) marshal(c codec) (data mem.BufferSlice, err error) {
	if o.frame != nil {
		data = o.frame.again()
	} else if data, err = c.Marshal(o.message); err != nil {
		o.hold.Put(nil)
		return nil, err
	}
	return append(data, mem.NewBuffer(&endPiece, o.hold)), nil
}

// endPiece is that piece. It has room that nobody uses: pieces without aren't freed.
var endPiece = make([]byte, 0, 4<<10)

// answerHold is the room that an answer takes until it is sent.
type answerHold struct {
	conn  *connection
	bytes int64
	since time.Time
}

var _ mem.BufferPool = (*answerHold)(nil)

// own is what the answer counts for on its connection.
func (a *answerHold) own() int64 { return min(a.bytes, unsentBytesMax) }

// Get implements mem.BufferPool. Nobody gets a piece from here.
func (a *answerHold) Get(size int) *[]byte { return mem.DefaultBufferPool().Get(size) }

// Put implements mem.BufferPool: the answer is written, or given up.
func (a *answerHold) Put(*[]byte) { a.conn.release(a) }
