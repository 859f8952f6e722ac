package block

import (
	"bytes"
	"testing"
)

var testProducer = Producer{ID: ProducerID{15: 7}, Epoch: 3, Sequence: 1 << 40}

// TestTwin holds Writer and Reader against the twin on random blocks, and against each other for each codec.
func TestTwin(t *testing.T) {
	var w Writer // one for all, so that Reset is tested too
	var r Reader
	padded := 0
	for seed := range uint64(80) {
		c := choicesOf(seed, 20_000)
		events := c.events(1 + c.below(300))
		want := asRead(events)
		for codec := range codecCount {
			b := encode(t, &w, Options{Codec: codec, Producer: testProducer}, events)
			if codec == CodecNone && !bytes.Equal(b, twinEncode(events, testProducer)) {
				t.Fatalf("seed %d: the twin writes other bytes", seed)
			}
			got, producer := twinDecode(t, b)
			if producer != testProducer {
				t.Fatalf("seed %d: twin reads producer %+v", seed, producer)
			}
			sameEvents(t, "twin", got, want)
			block := open(t, b)
			sameEvents(t, "reader", read(t, block), want)
			if err := r.Verify(block, DataBytesMax); err != nil {
				t.Fatalf("seed %d: %v: verify: %v", seed, codec, err)
			}
			if block.header.paddingBytes > 0 {
				padded++
			}
		}
	}
	if padded == 0 {
		t.Error("no block was padded")
	}
}

// TestColumns compares the columns with the events they are of.
func TestColumns(t *testing.T) {
	for seed := range uint64(30) {
		events := choicesOf(seed, 20_000).events(200)
		b := open(t, encode(t, new(Writer), Options{Codec: CodecS2, Producer: testProducer}, events))
		if b.Len() != len(events) || b.Producer() != testProducer || b.Codec() != CodecS2 || b.RunSize(0, b.Len()) != b.Size() {
			t.Fatalf("seed %d: %d events by %+v, %v", seed, b.Len(), b.Producer(), b.Codec())
		}
		for i, e := range asRead(events) {
			var flags Flags
			if e.ContentType != "" {
				flags |= FlagOpaque
			}
			if len(e.Attributes) > 0 {
				flags |= FlagAttributes
			}
			if b.EventSize(i) != len(twinRecord(e)) || b.RunSize(i, i+1) != b.EventSize(i) || b.KeyHash(i) != HashKey(e.Key) ||
				b.DedupHash(i) != HashDedupID(e.DedupID) || b.DeliverAtMillis(i) != e.DeliverAtMillis || b.Flags(i) != flags ||
				string(b.Source(b.SourceIndex(i))) != e.Source || string(b.DetailType(b.DetailTypeIndex(i))) != e.DetailType {
				t.Fatalf("seed %d: columns of event %d differ from %+v", seed, i, e)
			}
		}
	}
}

// TestFrames checks what the directory says: frames follow each other, hold several events only within FrameBytesMax, and
// inflate to what they say.
func TestFrames(t *testing.T) {
	for codec := range codecCount {
		b := open(t, encode(t, new(Writer), Options{Codec: codec}, choicesOf(9, 20_000).events(300)))
		next, compressed := 0, 0
		for i := range b.Frames() {
			f := b.Frame(i)
			if f.From != next || f.To <= f.From || f.RecordBytes != b.RunSize(f.From, f.To) || f.RecordBytes > FrameBytesMax && f.To-f.From > 1 {
				t.Fatalf("%v: frame %d is %+v", codec, i, f)
			}
			for event := f.From; event < f.To; event++ {
				if b.FrameOf(event) != i {
					t.Fatalf("%v: event %d is in frame %d, not %d", codec, event, i, b.FrameOf(event))
				}
			}
			prefix := []byte("before")
			records, err := b.DecodeFrame(prefix, i)
			if err != nil || len(records) != len(prefix)+f.RecordBytes || !bytes.HasPrefix(records, prefix) {
				t.Fatalf("%v: frame %d decodes to %d bytes: %v", codec, i, len(records), err)
			}
			if f.Compressed {
				compressed++
			}
			next = f.To
		}
		if next != b.Len() || (compressed > 0) != (codec != CodecNone) {
			t.Fatalf("%v: frames end at event %d of %d, %d are compressed", codec, next, b.Len(), compressed)
		}
	}
}

// TestHashes pins the hashes, which are part of the format.
func TestHashes(t *testing.T) {
	if got := HashKey("abc"); got != 0x44bc2cf5ad770999 { // a published vector of xxHash64
		t.Errorf("HashKey is %#x", got)
	}
	if got := HashDedupID("abc"); !bytes.Equal(got[:], []byte("\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23")) {
		t.Errorf("HashDedupID is %x", got) // NIST's test vector of SHA-256
	}
	if HashKey("") != 0 || HashDedupID("") != (DedupHash{}) || keyHash(0, 1) != 1 {
		t.Error("an empty string has a hash, or a key none")
	}
}
