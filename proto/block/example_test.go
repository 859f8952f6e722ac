package block_test

import (
	"fmt"

	"github.com/freshet-mq/freshet/proto/block"
)

func Example() {
	// A client writes the events that it publishes together.
	var w block.Writer
	if err := w.Reset(block.Options{Codec: block.CodecS2}); err != nil {
		panic(err)
	}
	for _, e := range []block.Event{
		{Data: []byte(`{"source":"shop","detail-type":"Paid","detail":{"order":1}}`), Source: "shop", DetailType: "Paid", Key: "order-1"},
		{Data: []byte(`{"source":"shop","detail-type":"Sent","detail":{"order":1}}`), Source: "shop", DetailType: "Sent", Key: "order-1"},
	} {
		if err := w.Append(&e); err != nil {
			panic(err)
		}
	}
	encoded, err := w.Finish(nil)
	if err != nil {
		panic(err)
	}

	// A broker opens and verifies the block, and routes by its columns.
	b, err := block.Open(encoded)
	if err != nil {
		panic(err)
	}
	var r block.Reader
	if err := r.Verify(&b, block.DataBytesMax); err != nil {
		panic(err)
	}
	fmt.Println(b.Len(), "events of one key:", b.KeyHash(0) == b.KeyHash(1))

	// A consumer reads them.
	for r.Reset(&b); r.Next(); {
		fmt.Printf("%s %s\n", r.View().Key(), r.View().Data())
	}
	if err := r.Err(); err != nil {
		panic(err)
	}
	// Output:
	// 2 events of one key: true
	// order-1 {"source":"shop","detail-type":"Paid","detail":{"order":1}}
	// order-1 {"source":"shop","detail-type":"Sent","detail":{"order":1}}
}

func ExampleReader_At() {
	var w block.Writer
	for i := range 1000 {
		if err := w.Append(&block.Event{Data: fmt.Appendf(nil, `{"n":%d}`, i)}); err != nil {
			panic(err)
		}
	}
	encoded, err := w.Finish(nil)
	if err != nil {
		panic(err)
	}
	b, err := block.Open(encoded)
	if err != nil {
		panic(err)
	}
	var r block.Reader
	r.Reset(&b)
	view, err := r.At(700)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", view.Data())
	// Output: {"n":700}
}

func ExampleSelector_Select() {
	var w block.Writer
	for i := range 5 {
		if err := w.Append(&block.Event{Data: fmt.Appendf(nil, `{"n":%d}`, i)}); err != nil {
			panic(err)
		}
	}
	encoded, err := w.Finish(nil)
	if err != nil {
		panic(err)
	}
	b, err := block.Open(encoded)
	if err != nil {
		panic(err)
	}
	// A session is leased the first event and the last two.
	var s block.Selector
	encoded, err = s.Select(nil, &b, []block.Run{{From: 0, To: 1}, {From: 3, To: 5}})
	if err != nil {
		panic(err)
	}
	own, err := block.Open(encoded)
	if err != nil {
		panic(err)
	}
	var r block.Reader
	for r.Reset(&own); r.Next(); {
		fmt.Printf("%s\n", r.View().Data())
	}
	// Output:
	// {"n":0}
	// {"n":3}
	// {"n":4}
}
