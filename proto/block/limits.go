package block

// The hard limits of the format. A writer refuses what goes beyond them with a *LimitError that names the field, and so does
// a reader that meets it in a block. A broker may set lower ones.
const (
	// BlockBytesMax is the most bytes that a block's records may have uncompressed: 4 MiB.
	BlockBytesMax = 4 << 20
	// EventsMax is the most events of a block.
	EventsMax = 16_384
	// FrameBytesMax is the most bytes of a frame that holds several records, uncompressed: 16 KiB. A longer record has a
	// frame of its own. Small frames let a broker inflate little for a session that wants few events of a block, and cost
	// S2 a few percent of its ratio.
	FrameBytesMax = 16 << 10
	// DataBytesMax is the most bytes of one event's data: 1 MiB.
	DataBytesMax = 1 << 20
	// RatioMax is how many times its own length a block's records may have uncompressed. A writer pads a block that
	// compresses better.
	RatioMax = 100

	// KeyBytesMax is the longest key, in bytes.
	KeyBytesMax = 256
	// DedupIDBytesMax is the longest dedup id, in bytes.
	DedupIDBytesMax = 256
	// ContentTypeBytesMax is the longest content type, in bytes.
	ContentTypeBytesMax = 128
	// CorrelationIDBytesMax is the longest correlation id, in bytes.
	CorrelationIDBytesMax = 256
	// CausationIDBytesMax is the longest causation id, in bytes.
	CausationIDBytesMax = 256
	// TraceParentBytesMax is the longest traceparent, in bytes: version 00 of W3C Trace Context has 55, later versions may
	// have more.
	TraceParentBytesMax = 128
	// TraceStateBytesMax is the longest tracestate, in bytes: what W3C Trace Context asks everybody to pass on.
	TraceStateBytesMax = 512
	// SchemaBytesMax is the longest schema reference, in bytes.
	SchemaBytesMax = 256

	// AttributesMax is the most attributes of one event.
	AttributesMax = 64
	// AttributeNameBytesMax is the longest name of an attribute, in bytes; the shortest has one.
	AttributeNameBytesMax = 128
	// AttributeValueBytesMax is the longest value of an attribute, in bytes; it may be empty.
	AttributeValueBytesMax = 1 << 10

	// DictionaryStringsMax is the most different sources, and the most different detail-types, that a block names. Events
	// with further ones have index 0, unknown.
	DictionaryStringsMax = 255
	// DictionaryStringBytesMax is the longest source or detail-type that a dictionary holds; a longer one is unknown.
	DictionaryStringBytesMax = 256

	// DeliverAtMax is the latest deliver-at in milliseconds since 1970: the end of the year 9999, RFC 3339's last.
	DeliverAtMax = 253_402_300_799_999
)

// Bounds that follow from the limits above and the format.
const (
	attributesBytesMax = 1 + AttributesMax*(1+2+AttributeNameBytesMax+AttributeValueBytesMax)
	propertiesBytesMax = 2 + 9*3 + ContentTypeBytesMax + KeyBytesMax + DedupIDBytesMax + CorrelationIDBytesMax +
		TraceParentBytesMax + TraceStateBytesMax + attributesBytesMax + CausationIDBytesMax + SchemaBytesMax

	// RecordBytesMax bounds one event's record, properties and data, and with it the longest frame uncompressed.
	RecordBytesMax = propertiesBytesMax + DataBytesMax

	headerBytesMax = fixedBytes + EventsMax*directoryEntryBytes + 2*DictionaryStringsMax*(2+DictionaryStringBytesMax) +
		EventsMax*(recordEndBytes+columnBytesSum) + checksumBytes

	// EncodedBytesMax bounds the length of an encoded block, header and all: what a transport has to let through.
	EncodedBytesMax = headerBytesMax + BlockBytesMax
)
