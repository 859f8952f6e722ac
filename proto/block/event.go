package block

import (
	"crypto/sha256"

	"github.com/cespare/xxhash/v2"
)

// ContentTypeJSON is what an empty content type stands for.
const ContentTypeJSON = "application/json"

// Event is an event as it is written to a block, and as Reader.Event copies it out. All strings are UTF-8.
type Event struct {
	// Data is the event itself: of a JSON event its whole envelope object, otherwise any bytes. At most DataBytesMax.
	Data []byte
	// ContentType says what Data is. Empty and "application/json" mean JSON; any other makes it opaque.
	ContentType string
	// Key keeps events that share it in order and in one place. Empty for none.
	Key string
	// DedupID makes later events with the same one, within the topic's window, duplicates. Empty for none.
	DedupID string
	// DeliverAtMillis holds the event back until then, in milliseconds since 1970 UTC. 0 for at once.
	DeliverAtMillis int64
	// Source and DetailType repeat what the envelope says, for routing without inflating. They are a hint: nobody checks
	// them against the data, so a broker may use them to put off work but never decides by them instead of the data.
	// Empty for unknown; what finds no room in a block's dictionary, or is too long for it, becomes unknown.
	Source, DetailType string

	// CorrelationID names the conversation that the event belongs to.
	CorrelationID string
	// CausationID names what caused the event.
	CausationID string
	// TraceParent and TraceState are the headers of W3C Trace Context (https://www.w3.org/TR/trace-context/), verbatim.
	TraceParent, TraceState string
	// Schema refers to the schema that the data is said to follow.
	Schema string
	// Attributes are names and values beside the data, in this order, each name once.
	Attributes []Attribute
}

// Attribute is one name and value of an event.
type Attribute struct {
	Name  string // 1 to AttributeNameBytesMax bytes
	Value string // at most AttributeValueBytesMax bytes
}

// Flags say of an event what a broker wants to know before it inflates.
type Flags uint8

const (
	// FlagOpaque means that the data isn't JSON.
	FlagOpaque Flags = 1 << iota
	// FlagAttributes means that the event has attributes.
	FlagAttributes

	flagsKnown = FlagOpaque | FlagAttributes
)

// Producer numbers blocks, so that one that is sent again is stored once. The zero Producer means none.
type Producer struct {
	ID       ProducerID
	Epoch    uint32 // of this producer's life; an older epoch is fenced
	Sequence uint64 // of the block among those of its epoch and stream
}

// ProducerID identifies a producer, all zero for none.
type ProducerID [16]byte

// HashKey returns what a block's key hash column has for key: never 0, except for the empty key, which means none.
func HashKey(key string) uint64 {
	return keyHash(xxhash.Sum64String(key), len(key))
}

func keyHash(sum uint64, length int) uint64 {
	switch {
	case length == 0:
		return 0
	case sum == 0: // 0 is taken for "no key"
		return 1
	default:
		return sum
	}
}

// DedupHash is the 128-bit hash of a dedup id, all zero for none.
type DedupHash [16]byte

// HashDedupID returns what a block's dedup hash column has for id. It is half a SHA-256, since with a hash that can be forged
// one producer could make another's events pass for duplicates.
func HashDedupID(id string) DedupHash {
	var buffer [DedupIDBytesMax]byte // so that the conversion doesn't allocate
	return hashDedupID(append(buffer[:0], id...))
}

func hashDedupID(id []byte) DedupHash {
	if len(id) == 0 {
		return DedupHash{}
	}
	sum := sha256.Sum256(id)
	return DedupHash(sum[:16])
}
