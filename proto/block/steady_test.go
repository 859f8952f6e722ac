//go:build !race

package block

import "testing"

// Not with the race detector: it has sync.Pool drop things at random, and the compressing libraries pool their tables.

// TestSteadyState: once their buffers have grown, writing, reading and selecting allocate nothing.
func TestSteadyState(t *testing.T) {
	events := benchEventsOf(300)
	for i := range events {
		if i%3 == 0 {
			events[i].Key, events[i].DedupID, events[i].Attributes = "customer", "order-4711", []Attribute{{"a", "b"}, {"c", "d"}}
		}
	}
	runs := []Run{{1, 40}, {50, 51}, {90, 250}}
	for codec := range codecCount {
		var w Writer
		var r Reader
		s := Selector{Recompress: true}
		var block Block
		var encoded, selected []byte
		allocs := testing.AllocsPerRun(20, func() {
			encoded = benchEncode(t, &w, codec, events, encoded[:0])
			var err error
			if block, err = Open(encoded); err != nil {
				t.Fatal(err)
			}
			if err := r.Verify(&block, DataBytesMax); err != nil {
				t.Fatal(err)
			}
			attributes := 0
			for r.Reset(&block); r.Next(); {
				for range r.View().Attributes() {
					attributes++
				}
			}
			if attributes != 200 {
				t.Fatalf("%d attributes", attributes)
			}
			if selected, err = s.Select(selected[:0], &block, runs); err != nil {
				t.Fatal(err)
			}
		})
		if allocs >= 1 { // less than one: the zstd library's pools may lose a coder to the collector
			t.Errorf("%v: %v allocations", codec, allocs)
		}
	}
}
