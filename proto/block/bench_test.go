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
			i*2654435761, i*40503, detailType, i/60%60, i%60, 100000+i, i*37%900, i%100)
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
			b.ReportAllocs()
			for b.Loop() {
				block, err := Open(encoded)
				if err != nil {
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
