package load

import "encoding/binary"

// An event's identity is who it is, in its bytes:
//
//	pppp-nnnnnnnnnnnn-tttttttttttttttt
//	0    5            18              34
//
// Each event is read and written once, so digits go eight at a time, as bytes of a word. In words of eight digits the number is two that
// overlap, and the account is one whose second half is overwritten.
const (
	identityBytes = 34
	numberAt      = 5
	momentAt      = 18
	numberBits    = 48

	identityDash = '-'
)

// appendIdentity appends an identity.
func appendIdentity(to []byte, account int, number uint64, at int64) []byte {
	var b [identityBytes]byte
	digits := binary.BigEndian
	digits.PutUint64(b[0:], hexDigits(uint32(account)<<16))
	b[numberAt-1] = identityDash
	digits.PutUint64(b[numberAt:], hexDigits(uint32(number>>16)))
	digits.PutUint64(b[numberAt+4:], hexDigits(uint32(number)))
	b[momentAt-1] = identityDash
	digits.PutUint64(b[momentAt:], hexDigits(uint32(uint64(at)>>32)))
	digits.PutUint64(b[momentAt+8:], hexDigits(uint32(at)))
	return append(to, b[:]...)
}

// readIdentity reads what appendIdentity wrote, and reports whether it was that. Digits are right if they would be written so: anything else would be written
// another way.
func readIdentity(b []byte) (account int, number uint64, at int64, ok bool) {
	b = b[:identityBytes]
	digits := binary.BigEndian
	whose := uint64(digits.Uint32(b[0:]))<<32 | '0'*eachByte&0xffffffff
	high, low := digits.Uint64(b[numberAt:]), digits.Uint64(b[numberAt+4:])
	since, when := digits.Uint64(b[momentAt:]), digits.Uint64(b[momentAt+8:])
	accountValue, highValue, lowValue, sinceValue, whenValue := hexValue(whose), hexValue(high), hexValue(low), hexValue(since), hexValue(when)
	wrong := (hexDigits(accountValue) ^ whose) | (hexDigits(highValue) ^ high) | (hexDigits(lowValue) ^ low) | (hexDigits(sinceValue) ^ since) | (hexDigits(whenValue) ^ when)
	ok = wrong == 0 && b[numberAt-1] == identityDash && b[momentAt-1] == identityDash
	return int(accountValue >> 16), uint64(highValue)<<16 | uint64(lowValue&0xffff), int64(uint64(sinceValue)<<32 | uint64(whenValue)), ok
}

const (
	eachByte   = 0x0101010101010101
	eachNibble = 0x0f0f0f0f0f0f0f0f
)

// hexDigits is the eight lower-case digits of a value, the first in the highest byte.
func hexDigits(value uint32) uint64 {
	x := uint64(value)
	x = (x<<16 | x) & 0x0000ffff0000ffff
	x = (x<<8 | x) & 0x00ff00ff00ff00ff
	x = (x<<4 | x) & eachNibble
	letters := (x + 6*eachByte) >> 4 & eachByte // 1 where the digit is above 9
	return x + '0'*eachByte + letters*('a'-'0'-10)
}

// hexValue is what hexDigits was made of; of anything else it is anything.
func hexValue(digits uint64) uint32 {
	letters := digits >> 6 & eachByte
	x := (digits + 9*letters) & eachNibble
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}
