package block

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestFormat pins the bytes: what testdata/format shows may only change together with the version. Commands:
//
//	encode [producer]           an event a line as JSON; Text is the data. Prints the block, section by section.
//	select runs=(from,to,…)     selects from the block before. Prints likewise.
//	decode                      a block in hexadecimal. Prints what it holds. Compressed blocks are pinned by reading
//	                            alone, since what S2 and zstd write is up to their release and the processor.
func TestFormat(t *testing.T) {
	var last []byte
	datadriven.RunTest(t, "testdata/format", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "encode":
			var o Options
			if d.HasArg("producer") {
				o.Producer = testProducer
			}
			last = encode(t, new(Writer), o, scriptEvents(t, d))
		case "select":
			var err error
			if last, err = new(Selector).Select(nil, open(t, last), scriptRuns(t, d)); err != nil {
				return err.Error()
			}
		case "decode":
			b, err := hex.DecodeString(strings.Join(strings.Fields(d.Input), ""))
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			return describe(t, b)
		default:
			d.Fatalf(t, "unknown command")
		}
		return dump(open(t, last))
	})
}

// scriptRuns reads runs=(from,to,from,to).
func scriptRuns(t *testing.T, d *datadriven.TestData) []Run {
	var bounds []int
	for _, v := range d.CmdArgs[0].Vals {
		n, err := strconv.Atoi(v)
		if err != nil {
			d.Fatalf(t, "runs: %v", err)
		}
		bounds = append(bounds, n)
	}
	var runs []Run
	for ; len(bounds) > 1; bounds = bounds[2:] {
		runs = append(runs, Run{bounds[0], bounds[1]})
	}
	return runs
}

// describe prints what a block holds, of long data the beginning.
func describe(t *testing.T, encoded []byte) string {
	b := open(t, encoded)
	if err := new(Reader).Verify(b, DataBytesMax); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "codec %v, %d events in %d frames, %d bytes with %d of padding\n", b.Codec(), b.Len(), b.Frames(), len(encoded), b.header.paddingBytes)
	for i, e := range read(t, b) {
		fmt.Fprintf(&out, "%d: key %q, %d bytes: %.40s\n", i, e.Key, len(e.Data), e.Data)
	}
	return out.String()
}

func scriptEvents(t *testing.T, d *datadriven.TestData) []Event {
	var events []Event
	for line := range strings.Lines(d.Input) {
		var e struct {
			Event
			Text   string
			Repeat int // of Text
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&e); err != nil {
			d.Fatalf(t, "%s: %v", line, err)
		}
		e.Data = bytes.Repeat([]byte(e.Text), max(1, e.Repeat))
		events = append(events, e.Event)
	}
	return events
}

// dump prints a block by sections, 16 bytes a line.
func dump(b *Block) string {
	l := b.header.layout()
	sections := []struct {
		name string
		end  int
	}{
		{"fixed", l.directory}, {"directory", l.sourceEnds}, {"source ends", l.detailEnds}, {"detail type ends", l.strings},
		{"strings", l.recordEnds}, {"record ends", l.columns[0]}, {"key hash", l.columns[1]}, {"deliver-at", l.columns[2]},
		{"dedup hash", l.columns[3]}, {"source", l.columns[4]}, {"detail type", l.columns[5]}, {"flags", l.columnsEnd},
		{"header CRC", l.headerBytes},
	}
	for i := range b.Frames() {
		sections = append(sections, struct {
			name string
			end  int
		}{fmt.Sprint("frame ", i), l.headerBytes + int(b.entry(i).storedEnd)})
	}
	sections = append(sections, struct {
		name string
		end  int
	}{"padding", len(b.encoded)})
	var out strings.Builder
	at := 0
	for _, s := range sections {
		for name := s.name; at < s.end; name = "" {
			n := min(16, s.end-at)
			line := b.encoded[at : at+n]
			text := strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' {
					return '.'
				}
				return r
			}, string(bytes.ToValidUTF8(line, []byte("."))))
			fmt.Fprintf(&out, "%-17s%04x  % -48x %s\n", name, at, line, text)
			at += n
		}
	}
	return out.String()
}
