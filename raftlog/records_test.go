package raftlog

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// collect walks a sequence and copies what it yields.
func collect(t testing.TB, stream []byte) ([]Record, error) {
	t.Helper()
	var records []Record
	for record, err := range readRecords(bytes.NewReader(stream)) {
		if err != nil {
			return nil, err
		}
		records = append(records, Record{Key: bytes.Clone(record.Key), Value: bytes.Clone(record.Value)})
	}
	return records, nil
}

func sameRecords(a, b []Record) bool {
	return slices.EqualFunc(a, b, func(a, b Record) bool { return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) })
}

var recordsExamples = map[string][]Record{
	"none":  nil,
	"empty": {{Key: []byte{}, Value: []byte{}}},
	"some":  {{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: bytes.Repeat([]byte("x"), 200_000)}},
}

func TestRecords(t *testing.T) {
	for name, want := range recordsExamples {
		var stream bytes.Buffer
		if err := writeRecords(&stream, all(want)); err != nil {
			t.Fatal(err)
		}
		if size, err := streamBytes(all(want)); err != nil || size != int64(stream.Len()) {
			t.Fatalf("%s: %d bytes announced, %d written, %v", name, size, stream.Len(), err)
		}
		got, err := collect(t, stream.Bytes())
		if err != nil || !sameRecords(got, want) {
			t.Fatalf("%s: read %d records, %v", name, len(got), err)
		}
		// Cut anywhere, or followed by anything, or with any bit flipped, it is refused.
		step := 1 + stream.Len()/300
		for cut := 0; cut < stream.Len(); cut += step {
			if _, err := collect(t, stream.Bytes()[:cut]); !errors.Is(err, errRecords) {
				t.Fatalf("%s: cut at %d of %d: %v", name, cut, stream.Len(), err)
			}
			flipped := bytes.Clone(stream.Bytes())
			flipped[cut] ^= 4
			if _, err := collect(t, flipped); !errors.Is(err, errRecords) {
				t.Fatalf("%s: a flipped bit at %d of %d: %v", name, cut, stream.Len(), err)
			}
		}
		if _, err := collect(t, append(stream.Bytes(), 0)); !errors.Is(err, errRecords) {
			t.Fatalf("%s: something behind the end: %v", name, err)
		}
	}
}

func TestRecordsRefused(t *testing.T) {
	for want, record := range map[string]Record{
		"has no value":              {Key: []byte("a")},
		"key has 65537 bytes":       {Key: make([]byte, RecordKeyBytesMax+1), Value: []byte{}},
		"a value of 1073741825 byt": {Key: []byte("a"), Value: make([]byte, RecordValueBytesMax+1)},
	} {
		if err := writeRecords(io.Discard, all([]Record{record})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	failure := errors.New("no more")
	failing := func(yield func(Record, error) bool) { yield(Record{}, failure) }
	if err := writeRecords(io.Discard, failing); !errors.Is(err, failure) {
		t.Error(err)
	}
	if _, err := streamBytes(failing); !errors.Is(err, failure) {
		t.Error(err)
	}
}

// FuzzRecords: whatever a stream says, reading ends, allocates no more than it brought, and what is accepted is written again
// as it was.
func FuzzRecords(f *testing.F) {
	for _, records := range recordsExamples {
		var stream bytes.Buffer
		if err := writeRecords(&stream, all(records)); err != nil {
			f.Fatal(err)
		}
		f.Add(stream.Bytes())
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		records, err := collect(t, stream)
		if err != nil {
			return
		}
		for i := range records {
			if records[i].Value == nil {
				records[i].Value = []byte{}
			}
		}
		var again bytes.Buffer
		if err := writeRecords(&again, all(records)); err != nil {
			t.Fatal(err)
		}
		second, err := collect(t, again.Bytes())
		if err != nil || !sameRecords(records, second) {
			t.Fatalf("%d records became %d, %v", len(records), len(second), err)
		}
	})
}
