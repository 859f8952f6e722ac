package transport

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/hashicorp/raft"
)

// Who connects says who he is and what for; who is connected to answers in kind, or with the reason why not:
//
//	hello    magic 8 │ version 2 │ lane 1 │ cluster 16 │ id 2+n │ address 2+n
//	welcome  magic 8 │ version 2 │ refused 2+n │ cluster 16 │ id 2+n │ window 8 │ message 4
//
// window is how many bytes of entries the node is ready to hold for this peer, and message how many a single message may have.
// Both frames have the kind of their name, and neither a group nor a request.

// helloMagic begins both. It is "frshraft" in memory.
const helloMagic = 0x7466617268737266

// hello is what the dialling side says of itself.
type hello struct {
	lane    laneKind
	cluster [16]byte
	id      raft.ServerID
	address raft.ServerAddress
}

func (h *hello) append(to []byte) []byte {
	to = binary.LittleEndian.AppendUint64(to, helloMagic)
	to = binary.LittleEndian.AppendUint16(to, protocolVersion)
	to = append(to, byte(h.lane))
	to = append(to, h.cluster[:]...)
	to = appendBytes16(to, []byte(h.id))
	return appendBytes16(to, []byte(h.address))
}

func decodeHello(payload []byte) (h hello, err error) {
	d := decoder{rest: payload}
	if err := d.greeting(); err != nil {
		return h, err
	}
	h.lane = laneKind(d.uint8())
	copy(h.cluster[:], d.next(len(h.cluster)))
	h.id, h.address = raft.ServerID(d.bytes16()), raft.ServerAddress(d.bytes16())
	if err := d.end(); err != nil {
		return h, fmt.Errorf("%w: hello: %w", ErrCorrupt, err)
	}
	switch {
	case h.lane > laneSnapshot:
		return h, fmt.Errorf("%w: hello of %v", ErrCorrupt, h.lane)
	case h.id == "" || len(h.id) > idBytesMax:
		return h, fmt.Errorf("%w: hello with an id of %d bytes; it must have 1 to %d", ErrCorrupt, len(h.id), idBytesMax)
	case h.address == "" || len(h.address) > addressBytesMax:
		return h, fmt.Errorf("%w: hello with an address of %d bytes; it must have 1 to %d", ErrCorrupt, len(h.address), addressBytesMax)
	}
	return h, nil
}

// greeting reads what all versions have in common.
func (d *decoder) greeting() error {
	magic, version := d.uint64(), d.uint16()
	if d.err != nil {
		return fmt.Errorf("%w: greeting: %w", ErrCorrupt, d.err)
	}
	if magic != helloMagic || version != protocolVersion {
		return fmt.Errorf("%w: greeted with magic %016x, version %d; expected %016x, version %d", ErrForeign, magic, version, uint64(helloMagic), protocolVersion)
	}
	return nil
}

// welcome is what the listening side answers.
type welcome struct {
	refused      string // why, or nothing
	cluster      [16]byte
	id           raft.ServerID
	windowBytes  uint64
	messageBytes uint32
}

func (w *welcome) append(to []byte) []byte {
	to = binary.LittleEndian.AppendUint64(to, helloMagic)
	to = binary.LittleEndian.AppendUint16(to, protocolVersion)
	to = appendBytes16(to, []byte(w.refused))
	to = append(to, w.cluster[:]...)
	to = appendBytes16(to, []byte(w.id))
	to = binary.LittleEndian.AppendUint64(to, w.windowBytes)
	return binary.LittleEndian.AppendUint32(to, w.messageBytes)
}

func decodeWelcome(payload []byte) (w welcome, err error) {
	d := decoder{rest: payload}
	if err := d.greeting(); err != nil {
		return w, err
	}
	w.refused = string(d.bytes16())
	copy(w.cluster[:], d.next(len(w.cluster)))
	w.id = raft.ServerID(d.bytes16())
	w.windowBytes, w.messageBytes = d.uint64(), d.uint32()
	if err := d.end(); err != nil {
		return w, fmt.Errorf("%w: welcome: %w", ErrCorrupt, err)
	}
	if len(w.id) > idBytesMax || w.windowBytes > math.MaxInt64 {
		return w, fmt.Errorf("%w: welcome with an id of %d bytes and a window of %d", ErrCorrupt, len(w.id), w.windowBytes)
	}
	return w, nil
}
