package block

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec is how the frames of a block are compressed.
type Codec uint8

const (
	// CodecNone stores frames as they are: reading copies nothing.
	CodecNone Codec = iota
	// CodecS2 is S2 (https://github.com/klauspost/compress/tree/master/s2), its block format: fast, a third of the bytes.
	CodecS2
	// CodecZstd is Zstandard (RFC 8878): smaller still, several times the work.
	CodecZstd

	codecCount
)

func (c Codec) String() string {
	switch c {
	case CodecNone:
		return "none"
	case CodecS2:
		return "s2"
	case CodecZstd:
		return "zstd"
	default:
		return fmt.Sprintf("codec(%d)", uint8(c))
	}
}

// zstdWindowBytes bounds the window that a zstd frame may ask for, and so what a decoder has to keep: the power of two above
// RecordBytesMax, since windows come in such steps.
const zstdWindowBytes = 2 << 20

// The zstd coders are pools inside, safe for concurrent use and of a megabyte and more each: one of them serves the process
// instead of one a Writer. They cost nothing until the first zstd block.
var (
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderCRC(false), // the directory has one
			zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(zstdWindowBytes))
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(0), // one a processor
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindowBytes),
			zstd.WithDecoderMaxMemory(zstdWindowBytes), // would lower the window if it were less
			zstd.WithDecodeAllCapLimit(true))           // what bounds the output, see decompress
	})
)

// compress appends src to dst, compressed if that is shorter and as it is otherwise. scratch is the codec's to use and is
// returned for the next call.
func (c Codec) compress(dst, src, scratch []byte) (stored, scratchNext []byte, err error) {
	switch c {
	case CodecS2:
		scratch = s2.Encode(scratch[:cap(scratch)], src)
	case CodecZstd:
		encoder, err := zstdEncoder()
		if err != nil {
			return dst, scratch, fmt.Errorf("block: zstd encoder: %w", err)
		}
		scratch = encoder.EncodeAll(src, scratch[:0])
	default:
		return append(dst, src...), scratch, nil
	}
	if len(scratch) >= len(src) {
		return append(dst, src...), scratch, nil
	}
	return append(dst, scratch...), scratch, nil
}

// decompress appends to dst what src inflates to, which must be exactly length bytes: room is made for so many, and neither
// decoder writes more (B2). Length is at most RecordBytesMax, and RatioMax times the block's own length, by Open.
func (c Codec) decompress(dst, src []byte, length int) ([]byte, error) {
	dst = slices.Grow(dst, length)
	// The third index is the bound: beyond its capacity S2 would allocate anew and zstd stops.
	room := dst[len(dst) : len(dst) : len(dst)+length]
	var got []byte
	switch c {
	case CodecS2:
		claimed, err := s2.DecodedLen(src)
		if err != nil {
			return dst, corruptf("S2: %v", err)
		}
		if claimed != length {
			return dst, corruptf("S2 frame inflates to %d bytes, directory says %d", claimed, length)
		}
		if got, err = s2.Decode(room, src); err != nil {
			return dst, corruptf("S2: %v", err)
		}
	case CodecZstd:
		decoder, err := zstdDecoder()
		if err != nil {
			return dst, fmt.Errorf("block: zstd decoder: %w", err)
		}
		if got, err = decoder.DecodeAll(src, room); err != nil {
			return dst, corruptf("zstd: %v", err)
		}
		if len(got) != length {
			return dst, corruptf("zstd frame inflates to %d bytes, directory says %d", len(got), length)
		}
	default:
		return dst, corruptf("frame of %d bytes is compressed by %v", length, c)
	}
	// Both wrote into room. Should a later release of theirs not, this still is right: append copies from wherever it is.
	if length > 0 && &got[0] != &room[:1][0] {
		return append(dst, got...), nil
	}
	return dst[:len(dst)+length], nil
}
