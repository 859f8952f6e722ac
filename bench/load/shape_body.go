package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Pools: drawing each character anew would cost more than publishing the event, so
// events have windows of random text, and neighbours have windows far apart.
const (
	poolBits  = 15
	poolBytes = 1 << poolBits
	// ordersMax is how many orders there are that events take in turns, and ordersPoolBytes their bytes at
	// most.
	ordersMax       = 1_024
	ordersPoolBytes = 8 << 20

	wordAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// newPool returns random text in which windows of that length begin anywhere in poolBytes.
func newPool(seed uint64, window int) *pool {
	p := &pool{window: window, text: make([]byte, poolBytes+window)}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	if _, err := rand.NewChaCha8(key).Read(p.text); err != nil {
		panic(fmt.Sprintf("load: ChaCha8 returned an error: %v", err)) // it is documented never to
	}
	return p
}

// pool is random bytes that events have windows of.
type pool struct {
	text   []byte
	window int
}

func (p *pool) of(draw uint64) []byte {
	from := draw >> (64 - poolBits)
	return p.text[from : from+uint64(p.window)]
}

// bytesBody is random bytes.
type bytesBody struct{ pool *pool }

func (b *bytesBody) appendTo(to []byte, draw uint64, _ int) []byte {
	return append(to, b.pool.of(draw)...)
}

// jsonBody is a JSON envelope:
//
//	"},"version":"0","source":"freshet.bench","detail-type":"load",
//	 "detail":{"random":"....","filler":"....","class":"c00042","number":100042}}
//
// Half of the event is random, drawn from 64 characters, so that nothing on the way
// can make much less of it. class and number are there where subscriptions have patterns.
type jsonBody struct {
	random  *pool
	filler  []byte // with what is before it
	classed bool
}

const (
	jsonRandom = `"},"version":"0","source":"` + shapeSource + `","detail-type":"` + shapeType + `","detail":{"random":"`
	jsonFiller = `","filler":"`
	jsonEnd    = `"`
	detailEnd  = `}}`
	// jsonBytesMin leaves a few random characters.
	jsonBytesMin = len(jsonRandom) + len(jsonFiller) + len(jsonEnd) + len(detailEnd) + 16

	classMember  = `,"class":"`
	numberMember = `","number":`
)

func newJSONBody(length int, classed bool, seed uint64) *jsonBody {
	room := length - len(jsonRandom) - len(jsonFiller) - len(jsonEnd) - len(detailEnd) - classBytes(classed)
	random := min((length+len(headJSON)+identityBytes)/2, room)
	b := &jsonBody{random: newPool(seed, random), classed: classed}
	for i, drawn := range b.random.text {
		b.random.text[i] = wordAlphabet[drawn%64]
	}
	b.filler = append(b.filler, jsonFiller...)
	b.filler = append(b.filler, bytes.Repeat([]byte("freshet "), room/8+1)[:room-random]...)
	b.filler = append(b.filler, jsonEnd...)
	return b
}

func (b *jsonBody) appendTo(to []byte, draw uint64, class int) []byte {
	to = append(to, jsonRandom...)
	to = append(to, b.random.of(draw)...)
	to = append(to, b.filler...)
	if b.classed {
		to = appendClass(to, class)
	}
	return append(to, detailEnd...)
}

// ordersBody is envelopes of a shop's orders:
//
//	"},"version":"0","source":"com.shop.orders","detail-type":"Order Created","region":"eu-central-1",
//	 "detail":{"customer":"c-48213","currency":"EUR","amount":129.95,"items":[{"sku":"A-1042","quantity":2}],
//	 "note":"....","class":"c00042","number":100042}}
type ordersBody struct {
	orders  [][]byte // up to the class, all of one length
	classed bool
}

const (
	orderBegin = `"},"version":"0","source":"` + orderSource + `","detail-type":"` + orderType + `","region":"`
	// ordersBytesMin has room for one item, and a note that isn't empty.
	ordersBytesMin = len(orderBegin) + 160
)

func newOrdersBody(length int, classed bool, seed uint64) *ordersBody {
	b := &ordersBody{classed: classed}
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // orders that differ, which keep no secret
	room := length - len(detailEnd) - classBytes(classed)
	for range max(1, min(ordersMax, ordersPoolBytes/length)) {
		b.orders = append(b.orders, newOrder(draw, room))
	}
	return b
}

// newOrder returns an order of that length.
func newOrder(draw *rand.Rand, length int) []byte {
	pick := func(words ...string) string { return words[draw.IntN(len(words))] }
	o := fmt.Appendf(nil, `%s%s","detail":{"customer":"c-%05d","currency":"%s","amount":%d.%02d,"items":[`, orderBegin,
		pick("eu-central-1", "eu-west-1", "us-east-1"), draw.IntN(100_000), pick("EUR", "USD", "CHF"), 1+draw.IntN(999), draw.IntN(100))
	const noteRoom = 24 // for a note that makes up the length
	for i := 0; ; i++ {
		item := fmt.Sprintf(`{"sku":"%s-%04d","quantity":%d}`, pick("A", "B", "C"), draw.IntN(10_000), 1+draw.IntN(9))
		if i > 0 && len(o)+1+len(item)+noteRoom > length {
			break
		}
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, item...)
	}
	o = append(o, `],"note":"`...)
	note := pick("leave it at the door, please. ", "ring twice. ", "as a present, with a card. ")
	for len(o) < length-1 {
		o = append(o, note[:min(len(note), length-1-len(o))]...)
	}
	return append(o, '"')
}

func (b *ordersBody) appendTo(to []byte, draw uint64, class int) []byte {
	to = append(to, b.orders[draw>>32%uint64(len(b.orders))]...)
	if b.classed {
		to = appendClass(to, class)
	}
	return append(to, detailEnd...)
}

// fileBody is events of a file, in turns, with all their members behind "bench". The class is in
// "bench" too.
type fileBody struct {
	rests   [][]byte // behind their opening brace
	classed bool
}

const fileJoint = `"},`

func newFileBody(lines [][]byte, classed bool) *fileBody {
	b := &fileBody{classed: classed}
	for _, line := range lines {
		b.rests = append(b.rests, line[1:])
	}
	return b
}

func (b *fileBody) appendTo(to []byte, draw uint64, class int) []byte {
	if b.classed {
		to = append(to, '"')
		to = appendClass(to, class)
		to = append(to, `},`...)
	} else {
		to = append(to, fileJoint...)
	}
	return append(to, b.rests[draw%uint64(len(b.rests))]...)
}
