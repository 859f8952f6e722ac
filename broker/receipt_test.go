package broker

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
)

var testSealer = &sealer{key: bytes.Repeat([]byte{7}, 32)}

func exampleReceipts() []receipt {
	return []receipt{
		{},
		{1, partition.Receipt{Cursor: partition.CursorID{Subscription: 2}, Offset: 3, Epoch: 4}},
		{1<<32 - 1, partition.Receipt{
			Cursor: partition.CursorID{Subscription: 1<<64 - 1, Member: strings.Repeat("m", catalog.NameBytesMax)}, Offset: 1<<64 - 1, Epoch: 1<<64 - 1,
		}},
	}
}

func TestReceiptsComeBack(t *testing.T) {
	for _, want := range exampleReceipts() {
		text := testSealer.seal(want)
		if len(text) > receiptTextMax {
			t.Errorf("%+v has %d bytes, at most %d", want, len(text), receiptTextMax)
		}
		if got, ok := testSealer.open(text); !ok || got != want {
			t.Errorf("got %+v, %t, want %+v", got, ok, want)
		}
	}
}

// TestForgedReceipts changes each bit of a receipt, cuts it, adds to it, and takes another cluster's (N4).
func TestForgedReceipts(t *testing.T) {
	text := testSealer.seal(exampleReceipts()[1])
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[i/8] ^= 1 << (i % 8)
		if _, ok := testSealer.open(base64.RawURLEncoding.EncodeToString(forged)); ok {
			t.Errorf("bit %d flipped, and it opens", i)
		}
	}
	for cut := range raw {
		if _, ok := testSealer.open(base64.RawURLEncoding.EncodeToString(raw[:cut])); ok {
			t.Errorf("cut to %d bytes, and it opens", cut)
		}
	}
	other := &sealer{key: bytes.Repeat([]byte{8}, 32)}
	for what, forged := range map[string]string{
		"empty": "", "another cluster's": other.seal(exampleReceipts()[1]), "longer": text + "AAAA", "padded": text + "=",
		"with a line feed": text[:10] + "\n" + text[10:], "too long": strings.Repeat("A", receiptTextMax+1), "other letters": "+" + text[1:],
	} {
		if _, ok := testSealer.open(forged); ok {
			t.Errorf("%s, and it opens", what)
		}
	}
}

// FuzzReceipt looks for a string that opens and isn't the one form of what it says, and for bodies under a good MAC that break the decoder.
func FuzzReceipt(f *testing.F) {
	for _, r := range exampleReceipts() {
		f.Add(testSealer.seal(r), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		if r, ok := testSealer.open(text); ok && testSealer.seal(r) != text {
			t.Errorf("%q opens as %+v, which is %q", text, r, testSealer.seal(r))
		}
		// Under a good MAC anything may stand: whatever it is, opening it doesn't panic.
		testSealer.open(receiptText.EncodeToString(testSealer.mac(bytes.Clone(body), body)))
	})
}
