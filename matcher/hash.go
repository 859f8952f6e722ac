package matcher

import (
	"hash/maphash"
	"math/bits"
)

// Hashes are keyed with what the process drew at its start, so that nobody can write rules or events that collide. They decide
// where things are looked for and never what matches, so the same input has the same answer under every key.
var (
	hashSeed = maphash.MakeSeed()
	hashKeyA = maphash.String(hashSeed, "a")
	hashKeyB = maphash.String(hashSeed, "b") | 1
)

// hashShort is the longest text, in bytes, that hashText reads by itself.
const hashShort = 16

// hashText hashes a text. Short ones, which most names and values are, take two loads and a multiplication (the way of wyhash for
// short keys).
func hashText(text string) uint64 {
	n := len(text)
	var a, b uint64
	switch {
	case n > hashShort:
		return maphash.String(hashSeed, text)
	case n >= 8:
		a, b = load8(text), load8(text[n-8:])
	case n >= 4:
		a, b = load4(text), load4(text[n-4:])
	case n > 0:
		a = uint64(text[0]) | uint64(text[n/2])<<8 | uint64(text[n-1])<<16
	}
	return multiply(a^hashKeyA, b^hashKeyB^uint64(n)<<56)
}

// multiply folds a product of 128 bits into 64.
func multiply(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func load8(text string) uint64 {
	_ = text[7]
	return uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
		uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
}

func load4(text string) uint64 {
	_ = text[3]
	return uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24
}
