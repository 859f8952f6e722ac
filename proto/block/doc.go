// Package block owns the block: a batch of events of one stream, in the one byte format in which events are published,
// compressed, replicated, stored and delivered. Client, broker and partition read and write blocks through this package alone.
//
//	Event ─▶ Writer.Append … Writer.Finish ─▶ bytes ─▶ Open ─▶ Block ─┬▶ columns by index, no inflating
//	                                            ▲                     ├▶ Reader: Views in order or by index
//	                                            │                     └▶ Reader.Verify: everything, once, on publish
//	                                            └───── Selector.Select (only a session's events)
//
// A block has a header in the clear and a body:
//
//	header   sizes, producer, frame directory, dictionaries, a column per routing property      (one CRC-32C)
//	body     frames of at most 16 KiB of records each, compressed one by one      (a CRC-32C each, in the directory)
//
// What the broker needs of an event without inflating it stands in the columns: where its record ends, key hash, deliver-at,
// dedup hash, source and detail-type by dictionary, flags. The record in the frame holds the other properties and then the
// data, byte for byte as the producer gave it. The bytes are drawn in format.go.
//
// The package does not know what data means: whether JSON is well formed, patterns, ids, offsets, topics and tenants are
// other packages' business. It decides this much: an event whose content type is empty or "application/json" is JSON, and
// its data is the whole EventBridge envelope object; any other content type makes its data opaque bytes.
//
// # Invariants
//
//   - B1: whatever bytes are given, opening, reading and selecting never panic and never read outside of them.
//   - B2: memory is bounded by what is there, not by what is claimed: a block inflates to at most RatioMax times its own
//     length and to at most BlockBytesMax, a frame to at most RecordBytesMax, and decoders stop there.
//   - B3: each byte of a block is under a checksum or must be zero, so a flipped bit is found before its event is handed out.
//   - B4: a frame's checksum is made by the producer and carried along unchanged wherever the frame goes whole.
//   - B5: a selected block holds nothing of the events that were not chosen: no record, no column, no dictionary string,
//     and not the producer's identity.
//   - B6: what Verify accepts has columns that agree with its records, so what was routed is what is delivered. The two
//     dictionary columns are the exception: they are hints, see Event.
//
// # Lifetimes
//
// Open copies nothing: a Block, and every slice got from it, refers to the bytes it was opened on, which must not change
// while it is used. A Reader inflates into a buffer of its own: a View and its slices are valid until the Reader moves on.
// Reader.Event returns a copy that is the caller's. Writer and Selector copy what they are given, apart from the strings of
// Source and DetailType, which a Writer refers to until Reset.
//
// # Goroutines
//
// The package starts none of its own (the zstd library keeps a pool of idle coders, shared by the process). A Block may be
// read by any number of goroutines; a Writer, Reader or Selector belongs to one at a time and is meant to be reused, since in
// steady state none of them allocates.
//
// # Where to start
//
// format.go draws the bytes. Then along an event's way: event.go, writer.go, header.go, frame.go, record.go, reader.go,
// select.go. Limits are in limits.go, errors in errors.go, compression in codec.go.
package block
