package block

import (
	"fmt"
	"testing"
)

// The benchmarks report ns/event for blocks of 1,000 events of 256 bytes, which is what a client sends under load.
const (
	benchEvents     = 1000
	benchEventBytes = 256
)

// benchEventsOf returns events like those of a web shop: four detail types, ids and amounts that differ, 256 bytes of JSON.
func benchEventsOf(n int) []Event {
	types := []string{"OrderPlaced", "OrderPaid", "OrderShipped", "OrderCancelled"}
	events := make([]Event, n)
	for i := range events {
		detailType := types[i/7%len(types)]
		data := fmt.Sprintf(`{"version":"0","id":"%08x-7d3f-4c1a-9f00-%012x","source":"com.shop.orders","detail-type":%q,`+
			`"time":"2026-03-01T12:%02d:%02dZ","detail":{"order":%d,"amount":%d.%02d,"currency":"EUR","note":"`,
			uint32(i)*2654435761, i*40503, detailType, i/60%60, i%60, 100000+i, i*37%900, i%100)
		for len(data) < benchEventBytes-3 {
			data += string(rune('a' + (i*7+len(data)*len(data))%26))
		}
		events[i] = Event{Data: []byte(data + `"}}`), Source: "com.shop.orders", DetailType: detailType}
	}
	return events
}

func benchEncode(tb testing.TB, w *Writer, codec Codec, events []Event, dst []byte) []byte {
	if err := w.Reset(Options{Codec: codec}); err != nil {
		tb.Fatal(err)
	}
	for i := range events {
		if err := w.Append(&events[i]); err != nil {
			tb.Fatal(err)
		}
	}
	dst, err := w.Finish(dst)
	if err != nil {
		tb.Fatal(err)
	}
	return dst
}

func perEvent(b *testing.B, events int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
}

// BenchmarkEncode appends and finishes, checksums included. Target without compression: 40 ns/event.
func BenchmarkEncode(b *testing.B) {
	events := benchEventsOf(benchEvents)
	for codec := range codecCount {
		b.Run(codec.String(), func(b *testing.B) {
			var w Writer
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = benchEncode(b, &w, codec, events, dst[:0])
			}
			perEvent(b, benchEvents)
			b.ReportMetric(float64(len(dst))/benchEvents, "B/event")
		})
	}
}

// BenchmarkRead opens and reads all, checksums included. Target without compression: 30 ns/event.
func BenchmarkRead(b *testing.B) {
	events := benchEventsOf(benchEvents)
	for codec := range codecCount {
		encoded := benchEncode(b, new(Writer), codec, events, nil)
		b.Run(codec.String(), func(b *testing.B) {
			var r Reader
			var block Block
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if block, err = Open(encoded); err != nil {
					b.Fatal(err)
				}
				bytes := 0
				for r.Reset(&block); r.Next(); {
					bytes += len(r.View().Data())
				}
				if r.Err() != nil || bytes != benchEvents*benchEventBytes {
					b.Fatal(r.Err(), bytes)
				}
			}
			perEvent(b, benchEvents)
		})
	}
}

// BenchmarkOpen opens alone: what each replica pays to apply a block by its columns.
func BenchmarkOpen(b *testing.B) {
	encoded := benchEncode(b, new(Writer), CodecS2, benchEventsOf(benchEvents), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(encoded); err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, benchEvents)
}

// BenchmarkVerify is what a broker does once with each block that is published: of plain events, and of events that have a key
// and a dedup id, whose hashes it computes anew.
func BenchmarkVerify(b *testing.B) {
	for codec := range codecCount {
		for _, kind := range []string{"plain", "keys"} {
			events := benchEventsOf(benchEvents)
			for i := range events {
				if kind == "keys" {
					events[i].Key, events[i].DedupID = fmt.Sprint("customer-", i%50), fmt.Sprint("order-", i)
				}
			}
			encoded := benchEncode(b, new(Writer), codec, events, nil)
			b.Run(codec.String()+"/"+kind, func(b *testing.B) {
				var r Reader
				var block Block
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if block, err = Open(encoded); err != nil {
						b.Fatal(err)
					}
					if err := r.Verify(&block, DataBytesMax); err != nil {
						b.Fatal(err)
					}
				}
				perEvent(b, benchEvents)
			})
		}
	}
}

// BenchmarkSelect selects from a block that is open, and counts by selected event: half of the block in one run, which are frames
// copied whole but one, and every tenth event, which are none. Frames are verified and come from a cache, as they do for
// all sessions but the first.
func BenchmarkSelect(b *testing.B) {
	tenths := make([]Run, 0, benchEvents/10)
	for i := 0; i < benchEvents; i += 10 {
		tenths = append(tenths, Run{i, i + 1})
	}
	for codec := range codecCount {
		block, err := Open(benchEncode(b, new(Writer), codec, benchEventsOf(benchEvents), nil))
		if err != nil {
			b.Fatal(err)
		}
		var cache [][]byte
		for i := range block.Frames() {
			records, err := block.DecodeFrame(nil, i)
			if err != nil {
				b.Fatal(err)
			}
			cache = append(cache, records)
		}
		cached := func(_ *Block, i int) ([]byte, error) { return cache[i], nil }
		for _, c := range []struct {
			name     string
			selector Selector
			runs     []Run
			events   int
		}{
			{"half", Selector{Inflated: cached, Verified: true}, []Run{{0, benchEvents / 2}}, benchEvents / 2},
			{"tenth", Selector{Inflated: cached, Verified: true}, tenths, len(tenths)},
			{"tenth-first", Selector{}, tenths, len(tenths)},
			{"tenth-recompressed", Selector{Inflated: cached, Verified: true, Recompress: true}, tenths, len(tenths)},
		} {
			b.Run(codec.String()+"/"+c.name, func(b *testing.B) {
				var dst []byte
				b.ReportAllocs()
				for b.Loop() {
					if dst, err = c.selector.Select(dst[:0], &block, c.runs); err != nil {
						b.Fatal(err)
					}
				}
				perEvent(b, c.events)
				b.ReportMetric(float64(len(dst))/float64(c.events), "B/event")
			})
		}
	}
}
