package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
)

// verify opens and verifies; the Reader's buffer tells what inflating took.
func verify(r *Reader, b []byte) error {
	block, err := Open(b)
	if err != nil {
		return err
	}
	return r.Verify(&block, DataBytesMax)
}

// TestBitFlips is B3: every single bit, wherever it is, matters and is missed.
func TestBitFlips(t *testing.T) {
	events := choicesOf(4, 5000).events(12)
	for i := range events {
		events[i].Data = events[i].Data[:min(len(events[i].Data), 60)]
	}
	zeros := []Event{{Data: make([]byte, 100_000)}} // makes padding
	var r Reader
	for codec := range codecCount {
		for _, events := range [][]Event{events, zeros} {
			b := encode(t, new(Writer), Options{Codec: codec, Producer: testProducer}, events)
			step := 1 + len(b)/5000*37 // of long ones a part, in which each bit of a byte has its turn
			for bit := 0; bit < len(b)*8; bit += step {
				b[bit/8] ^= 1 << (bit % 8)
				if err := verify(&r, b); !errors.Is(err, ErrCorrupt) && !(bit/8 == 3 && errors.Is(err, ErrVersion)) {
					t.Fatalf("%v: bit %d of byte %d of %d flipped: %v", codec, bit%8, bit/8, len(b), err)
				}
				b[bit/8] ^= 1 << (bit % 8)
			}
			if err := verify(&r, b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTruncated cuts a block anywhere, and adds to it.
func TestTruncated(t *testing.T) {
	b := encode(t, new(Writer), Options{Codec: CodecS2}, choicesOf(4, 5000).events(12))
	for n := range b {
		if _, err := Open(b[:n:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := Open(append(b, 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
}

// reseal makes the checksums of a block right again, as far as there is something to find them by.
func reseal(b []byte) {
	le := binary.LittleEndian
	table := crc32.MakeTable(crc32.Castagnoli)
	if len(b) < 68 {
		return
	}
	header, frames := int(le.Uint32(b[8:])), int(le.Uint32(b[28:]))
	if header < 68 || header > len(b) {
		return
	}
	for i, from := 0, 0; i < frames && 64+16*i+16 <= header-4; i++ {
		entry := b[64+16*i:]
		to := int(le.Uint32(entry))
		if to < from || to > len(b)-header {
			break
		}
		le.PutUint32(entry[12:], crc32.Checksum(b[header+from:header+to], table))
		from = to
	}
	le.PutUint32(b[header-4:], crc32.Checksum(b[:header-4], table))
}

// TestMutations is B1 for blocks whose checksums hold although they are wrong: whatever was accepted reads the same twice.
func TestMutations(t *testing.T) {
	var r Reader
	accepted, refused := 0, 0
	for seed := range uint64(3000) {
		c := choicesOf(seed, 3000)
		b := encode(t, new(Writer), Options{Codec: Codec(c.below(3))}, choicesOf(seed%10, 5000).events(1+c.below(12)))
		for range 1 + c.below(3) {
			at := c.below(len(b))
			if c.oneIn(2) {
				at = c.below(min(len(b), 200))
			}
			b[at] = byte(c.below(256))
		}
		reseal(b)
		if err := verify(&r, b); err != nil {
			refused++
			continue
		}
		accepted++
		checkAccepted(t, b)
	}
	if accepted < 100 || refused < 100 {
		t.Errorf("%d mutations accepted, %d refused: the test tries too little of one of them", accepted, refused)
	}
}

// checkAccepted checks what holds of any block that Verify accepts: it is read, read by index, written anew and selected from
// with the same events.
func checkAccepted(t testing.TB, b []byte) {
	t.Helper()
	block := open(t, b)
	events := read(t, block)
	again := encode(t, new(Writer), Options{Codec: block.Codec()}, events)
	sameEvents(t, "written anew", read(t, open(t, again)), asRead(events))
	var r Reader
	r.Reset(block)
	for i := len(events) - 1; i >= 0; i -= 1 + len(events)/10 {
		view, err := r.At(i)
		if err != nil || !bytes.Equal(view.Data(), events[i].Data) {
			t.Fatalf("event %d read by index: %v", i, err)
		}
	}
	run := Run{len(events) / 3, len(events)/2 + 1}
	selected, err := new(Selector).Select(nil, block, []Run{run})
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, "selected", read(t, open(t, selected)), events[run.From:run.To])
	if err := r.Verify(open(t, selected), DataBytesMax); err != nil {
		t.Fatal(err)
	}
}

// oneFrame returns the parts of a block of one frame that inflates, or claims to, to one record.
func oneFrame(codec Codec, stored []byte, recordBytes int) twinParts {
	return twinParts{
		codec: byte(codec), events: 1, ends: []uint32{uint32(recordBytes)},
		frames: []twinFrame{{stored: stored, records: uint32(recordBytes), events: 1}},
	}
}

// zstdFrame returns a zstd frame by hand (RFC 8878, section 3.1.1): a window, no content size, and blocks of one repeated byte.
func zstdFrame(windowDescriptor byte, blocks, blockBytes int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, windowDescriptor}
	for i := range blocks {
		header := uint32(blockBytes)<<3 | 1<<1 // type RLE
		if i == blocks-1 {
			header |= 1 // the last
		}
		b = append(b, byte(header), byte(header>>8), byte(header>>16), 0)
	}
	return b
}

// TestBombs is B2: frames that inflate to other than they say are refused without allocating what they say or would.
func TestBombs(t *testing.T) {
	const window128KB, window2GB = 7 << 3, 21 << 3
	s2Claim := func(n uint64) []byte { return append(binary.AppendUvarint(nil, n), 0xfe, 0x01, 0x02) }
	for name, c := range map[string]struct {
		parts twinParts
		want  string
	}{
		"S2 claims 4 GiB":                 {oneFrame(CodecS2, s2Claim(1<<32-1), 16_000), "inflates to 4294967295 bytes, directory says 16000"},
		"S2 claims what it doesn't hold":  {oneFrame(CodecS2, s2Claim(16_000), 16_000), "s2: corrupt input"},
		"S2 inflates to more":             {oneFrame(CodecS2, s2.Encode(nil, make([]byte, 1<<20)), 16_000), "inflates to 1048576 bytes"},
		"S2 inflates to less":             {oneFrame(CodecS2, s2.Encode(nil, make([]byte, 1000)), 16_000), "inflates to 1000 bytes"},
		"zstd with a window of 2 GiB":     {oneFrame(CodecZstd, zstdFrame(window2GB, 1, 16_000), 16_000), "window size exceeded"},
		"zstd inflates to 400 MB":         {oneFrame(CodecZstd, zstdFrame(window128KB, 4000, 100_000), 20_000), "zstd: decompressed size exceeds"},
		"zstd inflates to a block more":   {oneFrame(CodecZstd, zstdFrame(window128KB, 2, 16_000), 16_000), "zstd: decompressed size exceeds"},
		"zstd inflates to less":           {oneFrame(CodecZstd, zstdFrame(window128KB, 1, 15_999), 16_000), "inflates to 15999 bytes"},
		"zstd that isn't":                 {oneFrame(CodecZstd, []byte("no zstd"), 16_000), "magic number mismatch"},
		"a record of 4 MiB":               {oneFrame(CodecS2, s2Claim(4<<20), 4<<20), "record: 4194304 is over the limit"},
		"compressed without a codec":      {oneFrame(CodecNone, make([]byte, 100), 101), "is stored in 100 by codec none"},
		"stored in more than it holds":    {oneFrame(CodecS2, make([]byte, 102), 101), "is stored in 102"},
		"a codec that nobody knows":       {oneFrame(9, make([]byte, 102), 102), "codec(9)"},
		"bytes behind the last frame":     {with(oneFrame(CodecNone, make([]byte, 5), 5), func(p *twinParts) { p.bodyExtra = []byte("?") }), "last frame ends"},
		"a frame of 17 KB for two events": {twoInOneFrame(9000), "frame: 18000 is over the limit of 16384"},
		"data over the limit":             {oneFrame(CodecNone, make([]byte, DataBytesMax+2), DataBytesMax+2), "data: 1048577 is over the limit of 1048576"},
	} {
		b := c.parts.bytes()
		var r Reader
		warmUp(t)
		before := allocated()
		err := verify(&r, b)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one with %q", name, err, c.want)
		}
		if got := allocated() - before; got > 300<<10 { // zstd looks after a block, which is at most 128 KiB
			t.Errorf("%s: %d bytes were allocated", name, got)
		}
		if cap(r.scratch) > RatioMax*len(b)*3/2 {
			t.Errorf("%s: the Reader has a buffer of %d bytes after a block of %d", name, cap(r.scratch), len(b))
		}
	}
}

// warmUp has all of zstd's coders make their tables, so that they don't count.
func warmUp(t *testing.T) {
	t.Helper()
	good := oneFrame(CodecZstd, zstdFrame(11<<3, 1, 16_000), 16_000) // with the largest window that is allowed, 2 MiB
	b := good.bytes()
	for range 2 * runtime.GOMAXPROCS(0) {
		if err := verify(new(Reader), b); err != nil {
			t.Fatal(err)
		}
	}
}

func with(p twinParts, change func(*twinParts)) twinParts {
	change(&p)
	return p
}

func twoInOneFrame(recordBytes int) twinParts {
	p := oneFrame(CodecNone, make([]byte, 2*recordBytes), 2*recordBytes)
	p.events, p.frames[0].events, p.ends = 2, 2, []uint32{uint32(recordBytes), uint32(2 * recordBytes)}
	return p
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// TestRatio: without the padding that it needs, a block inflates to more than it may.
func TestRatio(t *testing.T) {
	b := encode(t, new(Writer), Options{Codec: CodecS2}, []Event{{Data: make([]byte, 1<<20)}})
	padding := int(binary.LittleEndian.Uint32(b[16:]))
	for less := range 3 {
		short := append([]byte(nil), b[:len(b)-less]...)
		binary.LittleEndian.PutUint32(short[16:], uint32(padding-less))
		reseal(short)
		_, err := Open(short)
		var limit *LimitError
		if wrong := errors.As(err, &limit) && limit.Field == "compression ratio" && limit.Got > limit.Limit; wrong != (less > 0) {
			t.Errorf("%d bytes of padding less: %v", less, err)
		}
	}
	more := append(append([]byte(nil), b...), 0)
	binary.LittleEndian.PutUint32(more[16:], uint32(padding+1))
	reseal(more)
	if _, err := Open(more); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte of padding more: %v", err)
	}
}

// TestVersion: a block of a later version is told apart from a broken one.
func TestVersion(t *testing.T) {
	b := encode(t, new(Writer), Options{}, []Event{{}})
	b[3] = 2
	if _, err := Open(b); !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) {
		t.Errorf("version 2: %v", err)
	}
}

// TestVerifyRecords are records that are wrong although all checksums hold.
func TestVerifyRecords(t *testing.T) {
	plain := func(record string) twinParts { return oneFrame(CodecNone, []byte(record), len(record)) }
	column := func(p twinParts, c column, entry ...byte) twinParts {
		p.columnBits, p.columns[c] = 1<<c, entry
		return p
	}
	for want, parts := range map[string]twinParts{
		"properties 80":                    plain("\x80"),
		"properties 8000":                  plain("\x80\x00"),
		"properties 8004":                  plain("\x80\x04"),
		"key of 0 bytes":                   plain("\x02\x00"),
		"key of 5 bytes, the record has 2": plain("\x02\x05ab"),
		"key of 0 bytes, the record has 3": plain("\x02\x81\x00x"), // the length in a longer form than it needs
		"which is said by leaving it out":  plain("\x01\x10application/json{}"),
		"key: is not valid UTF-8":          plain("\x02\x01\xff"),
		"key: 257 is over the limit":       plain("\x02\x81\x02" + long(257)),
		"attributes without any":           plain("\x40\x01\x00"),
		"attributes: 65 is over the limit": plain("\x40\x01\x41"),
		"attribute 1 of 2 is missing":      plain("\x40\x04\x02\x01\x00a"),
		"name and value of 0 and 1 bytes":  plain("\x40\x04\x01\x00\x01a"),
		"name and value of 1 and 9 bytes":  plain("\x40\x04\x01\x01\x09a"),
		"2 bytes behind 1 attributes":      plain("\x40\x06\x01\x01\x00aXY"),
		"attributes[1].name: is the name":  column(plain("\x40\x07\x02\x01\x00a\x01\x00a"), columnFlags, 2),
		"attributes[0].name: is not valid": column(plain("\x40\x04\x01\x01\x00\xff"), columnFlags, 2),
		"attributes[0].name: 129 is over":  plain("\x40\x84\x01\x01\x81\x00" + long(129)),
		"key hash is 0000000000000000":     plain("\x02\x01k"),
		"dedup hash is 0000000000000000":   plain("\x04\x01k"),
		"flags are 00, the record's 01":    plain("\x01\x01kdata"),
		"flags are 10, the record's 00":    column(plain("\x00"), columnFlags, 2),
		"flags 4, at most 3":               column(plain("\x00"), columnFlags, 4),
		"source 1, at most 0":              column(plain("\x00"), columnSource, 1),
		"deliver-at 18446744073709551615":  column(plain("\x00"), columnDeliverAt, 255, 255, 255, 255, 255, 255, 255, 255),
		"epoch or sequence but no id":      with(plain("\x00"), func(p *twinParts) { p.producer.Epoch = 1 }),
		"sources 0 of 1 goes from 0 to 0":  with(plain("\x00"), func(p *twinParts) { p.sources, p.detailTypes = []string{""}, []string{"xx"} }),
		"a record that ends at 5, the one before at 5": with(oneFrame(CodecNone, make([]byte, 5), 5), func(p *twinParts) {
			p.events, p.frames[0].events, p.ends = 2, 2, []uint32{5, 5}
		}),
		"2 frames for 1 events":            with(plain("\x00"), func(p *twinParts) { p.frames = append(p.frames, p.frames[0]) }),
		"0 events of 0 bytes":              {},
		"events: 16385 is over the limit":  with(plain("\x00"), func(p *twinParts) { p.events = EventsMax + 1 }),
		"header has 87 bytes, its section": with(plain("\x00"), func(p *twinParts) { p.ends = nil; p.sources = []string{"x"}; p.events = 2 }),
		"says 00000001":                    with(plain("\x00"), func(p *twinParts) { p.frames[0].crc = 1 - crc32.Checksum([]byte{0}, crc32.MakeTable(crc32.Castagnoli)) }),
	} {
		if err := verify(new(Reader), parts.bytes()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestVerifyDataLimit: a broker's own limit, which may be lower.
func TestVerifyDataLimit(t *testing.T) {
	b := open(t, encode(t, new(Writer), Options{}, []Event{{}, {Data: make([]byte, 1001), Key: "k"}}))
	var limit *LimitError
	if err := new(Reader).Verify(b, 1000); !errors.As(err, &limit) || err.Error() != "event 1: block: data: 1001 is over the limit of 1000" {
		t.Errorf("1001 bytes: %v", err)
	}
	if err := new(Reader).Verify(b, 1001); err != nil {
		t.Errorf("at the limit: %v", err)
	}

	// The format's own limit holds without verifying.
	p := oneFrame(CodecNone, make([]byte, DataBytesMax+2), DataBytesMax+2)
	var r Reader
	r.Reset(open(t, p.bytes()))
	if r.Next() || !errors.As(r.Err(), &limit) || limit.Field != "data" {
		t.Errorf("data beyond the format's limit: %v", r.Err())
	}
}
