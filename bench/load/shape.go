package load

import (
	"fmt"

	"github.com/freshet-mq/freshet/client"
)

// Shape is what events look like.
type Shape uint8

const (
	// ShapeJSON is a JSON envelope of which half is random.
	ShapeJSON Shape = iota
	// ShapeOrders is JSON envelopes of a shop's orders, with few words in them, as services
	// publish them.
	ShapeOrders
	// ShapeBytes is random bytes that aren't JSON.
	ShapeBytes
)

func (s Shape) String() string {
	names := [...]string{"json", "orders", "bytes"}
	if int(s) >= len(names) {
		return fmt.Sprintf("shape %d", uint8(s))
	}
	return names[s]
}

// shape makes the events of a run, and recognises them. Every event tells who it is at
// a fixed place:
//
//	{"bench":{"id":"pppp-nnnnnnnnnnnn-tttttttttttttttt"},  and what the shape puts there
//	pppp-nnnnnnnnnnnn-tttttttttttttttt                     the same where it isn't JSON
//
//	p  the account, n the number of the event there, from 0: hexadecimal
//	t  nanoseconds since the run began, when it was sent or should have been: hexadecimal
type shape struct {
	head string // before who it is
	body body
	// template has what all events have in common.
	template client.Event
	classes  classes
}

// body is the rest of an event behind who it is.
type body interface {
	// appendTo appends it. draw is a random number that is the event's, class what
	// patterns look for.
	appendTo(to []byte, draw uint64, class int) []byte
}

const (
	headJSON  = `{"bench":{"id":"`
	headBytes = ""

	shapeSource = "freshet.bench"
	shapeType   = "load"
	orderSource = "com.shop.orders"
	orderType   = "Order Created"

	contentBytes = "application/octet-stream"
	// lineOverhead is what is put in front of an event of a file, at most.
	lineOverhead = 128
)

// newShape returns the shape of a run's events. The options are valid.
func newShape(o *Options, seed uint64) *shape {
	s := &shape{head: headJSON, classes: newClasses(o)}
	switch {
	case len(o.Lines) > 0:
		s.body = newFileBody(o.Lines, o.patterned())
	case o.Shape == ShapeBytes:
		s.head, s.template.ContentType = headBytes, contentBytes
		s.body = &bytesBody{pool: newPool(seed, o.EventBytes-identityBytes)}
	case o.Shape == ShapeOrders:
		s.template.Source, s.template.DetailType = orderSource, orderType
		s.body = newOrdersBody(o.EventBytes-len(headJSON)-identityBytes, o.patterned(), seed)
	default:
		s.template.Source, s.template.DetailType = shapeSource, shapeType
		s.body = newJSONBody(o.EventBytes-len(headJSON)-identityBytes, o.patterned(), seed)
	}
	return s
}

// eventBytesMin is the least that a shape can do with.
func (o *Options) eventBytesMin() int {
	switch o.Shape {
	case ShapeBytes:
		return identityBytes + 16
	case ShapeOrders:
		return len(headJSON) + identityBytes + ordersBytesMin + classBytes(o.patterned())
	default:
		return len(headJSON) + identityBytes + jsonBytesMin + classBytes(o.patterned())
	}
}

// mixed is a random number that is the event's: Stafford's variant 13 of MurmurHash3's
// finalizer, over who it is.
func mixed(account int, number uint64) uint64 {
	x := uint64(account)<<numberBits | number
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// appendTo appends an event's bytes.
func (s *shape) appendTo(to []byte, account int, number uint64, at int64) []byte {
	to = append(to, s.head...)
	to = appendIdentity(to, account, number, at)
	draw := mixed(account, number)
	return s.body.appendTo(to, draw, s.classes.of(draw))
}

// event is the event of these bytes.
func (s *shape) event(data []byte, key string) client.Event {
	e := s.template
	e.Data, e.Key = data, key
	return e
}

// read tells whose event it is. What isn't an event of this shape is an error.
func (s *shape) read(event []byte) (account int, number uint64, at int64, err error) {
	if len(event) < len(s.head)+identityBytes || string(event[:len(s.head)]) != s.head {
		return 0, 0, 0, strange(event)
	}
	account, number, at, ok := readIdentity(event[len(s.head):][:identityBytes])
	if !ok {
		return 0, 0, 0, strange(event)
	}
	return account, number, at, nil
}

func strange(event []byte) error {
	return fmt.Errorf("an event of %d bytes arrived that isn't one of this run: %.64q", len(event), event)
}

// averageBytes is how long the events of a file are as they are sent.
func averageBytes(lines [][]byte) int {
	total := 0
	for _, line := range lines {
		total += len(line) + len(headJSON) + identityBytes + len(fileJoint)
	}
	return total / len(lines)
}
