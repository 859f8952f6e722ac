package broker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// receipt is what settles one taken event: where it is and which lease of it. Outside it is a string that only the cluster can make,
// base64url without padding of
//
//	 1        version, 1
//	 uvarint  partition, subscription
//	 1, n     length and bytes of the member's name; 0 for a queue
//	 uvarint  offset, epoch
//	16        HMAC-SHA-256 of the bytes before, under the cluster's receipt key, cut to its first half (RFC 2104, section 5)
//
// The MAC keeps a holder of one receipt from guessing others. It doesn't hide what is inside, which is no secret from somebody who has the
// event.
type receipt struct {
	partition uint32
	partition.Receipt
}

const (
	receiptVersion  = 1
	receiptMACBytes = 16
	// receiptBytesMax is the longest receipt before base64.
	receiptBytesMax = 1 + binary.MaxVarintLen32 + binary.MaxVarintLen64 + 1 + catalog.NameBytesMax + 2*binary.MaxVarintLen64 + receiptMACBytes
)

// receiptText is how a receipt is written. Strict, so that each has one form.
var receiptText = base64.RawURLEncoding.Strict()

// receiptTextMax is the longest receipt.
var receiptTextMax = receiptText.EncodedLen(receiptBytesMax)

// sealer makes receipts into strings and back, with the cluster's key.
type sealer struct {
	key []byte
}

// seal writes a receipt.
func (s *sealer) seal(r receipt) string {
	b := make([]byte, 0, receiptBytesMax)
	b = append(b, receiptVersion)
	b = binary.AppendUvarint(b, uint64(r.partition))
	b = binary.AppendUvarint(b, uint64(r.Cursor.Subscription))
	b = append(b, byte(len(r.Cursor.Member)))
	b = append(b, r.Cursor.Member...)
	b = binary.AppendUvarint(b, uint64(r.Offset))
	b = binary.AppendUvarint(b, uint64(r.Epoch))
	return receiptText.EncodeToString(s.mac(b, b))
}

// mac appends the MAC of b to dst.
func (s *sealer) mac(dst, b []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(b)
	var sum [sha256.Size]byte
	return append(dst, h.Sum(sum[:0])[:receiptMACBytes]...)
}

// open reads a receipt; false when it isn't one of ours. Nothing is read of it before the MAC holds, and the comparison takes the same time
// wherever the MAC differs.
func (s *sealer) open(text string) (r receipt, ok bool) {
	if len(text) > receiptTextMax || strings.ContainsAny(text, "\r\n") { // which base64 reads over
		return receipt{}, false
	}
	b, err := receiptText.DecodeString(text)
	if err != nil || len(b) <= receiptMACBytes {
		return receipt{}, false
	}
	body, mac := b[:len(b)-receiptMACBytes], b[len(b)-receiptMACBytes:]
	if !hmac.Equal(mac, s.mac(nil, body)) || body[0] != receiptVersion {
		return receipt{}, false
	}
	return decodeReceipt(body[1:])
}

// decodeReceipt reads what a MAC vouches for. It still checks lengths: a key outlives releases.
func decodeReceipt(b []byte) (r receipt, ok bool) {
	ok = true
	uvarint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			ok, b = false, nil
			return 0
		}
		b = b[n:]
		return v
	}
	number := uvarint()
	r.partition = uint32(number)
	r.Cursor.Subscription = partition.SubscriptionID(uvarint())
	if len(b) == 0 || len(b) <= int(b[0]) || uint64(r.partition) != number {
		return receipt{}, false
	}
	n := int(b[0])
	r.Cursor.Member, b = string(b[1:1+n]), b[1+n:]
	r.Offset = partition.Offset(uvarint())
	r.Epoch = partition.Epoch(uvarint())
	if !ok || len(b) != 0 {
		return receipt{}, false
	}
	return r, true
}

// receiptRefused says that a string isn't a receipt, without why: that would help whoever guesses.
func receiptRefused(field string) *fault {
	return faultf(freshetv1.ErrorCode_ERROR_CODE_RECEIPT_REFUSED, "%s isn't a receipt that this cluster made; use it as it was given", field).
		with("field", field)
}
