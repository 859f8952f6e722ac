// Package wire is how freshet's messages get onto a connection and off it: protobuf, as
// any generated client has it, but that blocks of events aren't copied more often than
// they must be.
//
//	sender                                                        receiver
//	message -- fields --> a few bytes ---\               /--> fields
//	        \- block ---- by reference ---+== network ==+
//	                                                     \--> block, copied once, out of the
//	                                                          buffers that it was read into
//
// What protobuf's own codec costs beyond that, for a message of 256 KiB: a copy on
// sending, two on receiving, and each time a buffer of 1 MiB from gRPC's pool, which is
// cleared first.
//
// It owns no message (they are in proto/freshet/v1) and no block (proto/block). Bytes on
// the wire are the same either way: a codec on one side alone does no harm.
//
// # Rules
//
//   - Who sends a message with a block leaves the block alone until it has arrived: until
//     it is answered, or the stream is over and nothing of it can be on its way.
//   - A block that was received belongs to who received it, and is nobody else's, until they release it.
//   - What this codec doesn't expect (groups, lengths that can't be) it leaves to
//     protobuf's own to judge.
//
// There are no goroutines. Start with codec.go.
package wire
