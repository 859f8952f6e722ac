package partition

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// SectionType says what a section of an entry means. Numbers are for good: logs outlive releases.
type SectionType uint8

const (
	sectionClock        SectionType = 1
	sectionBlock        SectionType = 2
	sectionStream       SectionType = 3
	sectionSubscription SectionType = 4
	sectionAttach       SectionType = 5
	sectionDetach       SectionType = 6
	sectionCredit       SectionType = 7
	sectionSettle       SectionType = 8
	sectionClose        SectionType = 9
	sectionTake         SectionType = 10
	sectionReturn       SectionType = 11
	sectionFill         SectionType = 16
	sectionRedrive      SectionType = 17

	sectionRemove SectionType = 18

	sectionStateHash  SectionType = 30
	sectionStateLevel SectionType = 31

	// Reserved for what DESIGN.md's later parts need, so that no other meaning takes their numbers.
	sectionOutbox       SectionType = 32
	sectionStoredResult SectionType = 33
	sectionLane         SectionType = 34
	sectionPark         SectionType = 35
	sectionSeek         SectionType = 36
	sectionPause        SectionType = 37
	sectionOrigin       SectionType = 38
)

var sectionNames = map[SectionType]string{
	sectionClock: "clock", sectionBlock: "block", sectionStream: "stream", sectionSubscription: "subscription",
	sectionAttach: "attach", sectionDetach: "detach", sectionCredit: "credit", sectionSettle: "settle",
	sectionClose: "close", sectionTake: "take", sectionReturn: "return",
	sectionFill: "fill", sectionRedrive: "redrive", sectionRemove: "remove", sectionStateHash: "state hash", sectionStateLevel: "state level",
	sectionOutbox: "outbox", sectionStoredResult: "stored result", sectionLane: "lane", sectionPark: "park",
	sectionSeek: "seek", sectionPause: "pause", sectionOrigin: "origin",
}

func (t SectionType) String() string {
	if name, ok := sectionNames[t]; ok {
		return name
	}
	return fmt.Sprintf("section(%d)", uint8(t))
}

// An entry of the log is
//
//	+------+------+-----------+-----------+-----
//	| 'F'  |  3   | section 0 | section 1 | ...
//	+------+------+-----------+-----------+-----
//
// and a section is, little endian,
//
//	+------+---------+----------+---------+
//	| type | version | length   | body    |
//	| u8   | u8      | u32      | length  |
//	+------+---------+----------+---------+
//
// Entries carry no checksum of their own: the log's records do, and a block's frames do.
const (
	entryMagic        = 'F'
	entryVersion      = 3
	entryHeaderLen    = 2
	sectionHeaderLen  = 6
	sectionVersionOne = 1
)

// section is what an entry's sections have in common: they know their type and how to write their body.
type section interface {
	sectionType() SectionType
	appendBody(b []byte) []byte
}

// appendEntryHeader begins an entry.
func appendEntryHeader(b []byte) []byte { return append(b, entryMagic, entryVersion) }

// appendSection writes s at the end of an entry.
func appendSection(b []byte, s section) []byte {
	b = append(b, byte(s.sectionType()), sectionVersionOne, 0, 0, 0, 0)
	start := len(b)
	b = s.appendBody(b)
	binary.LittleEndian.PutUint32(b[start-4:], uint32(len(b)-start))
	return b
}

// readable reports what couldn't be read back. An entry that has such a section would stop every replica, and again at each start.
func readable(s section) (err error) {
	body := s.appendBody(nil)
	switch s.(type) {
	case clockSection:
		_, err = decodeClock(body)
	case streamSection:
		_, err = decodeStream(body)
	case subscriptionSection:
		_, err = decodeSubscription(body)
	case attachSection:
		_, err = decodeAttach(body)
	case detachSection:
		_, err = decodeDetach(body)
	case creditSection:
		_, err = decodeCredit(body)
	case settleSection:
		_, err = decodeSettle(body)
	case closeSection:
		_, err = decodeClose(body)
	case takeSection:
		_, err = decodeTake(body)
	case returnSection:
		_, err = decodeReturn(body)
	case redriveSection:
		_, err = decodeRedrive(body)
	case removeSection:
		_, err = decodeRemove(body)
	case stateLevelSection:
		_, err = decodeStateLevel(body)
	case fillSection:
		_, err = decodeFill(body)
	}
	if err != nil {
		return fmt.Errorf("partition: a command is beyond its bounds: %w", err)
	}
	return nil
}

// rawSection is a section as it stands in an entry, its body not copied.
type rawSection struct {
	kind SectionType
	body []byte
}

// sections walks an entry's sections in order and ends with the first mistake.
func sections(entry []byte) iter.Seq2[rawSection, error] {
	return func(yield func(rawSection, error) bool) {
		if len(entry) < entryHeaderLen || entry[0] != entryMagic || entry[1] != entryVersion {
			yield(rawSection{}, fmt.Errorf("%w: an entry of %d bytes doesn't begin with 'F' %d", ErrCorrupt, len(entry), entryVersion))
			return
		}
		rest := entry[entryHeaderLen:]
		for len(rest) > 0 {
			if len(rest) < sectionHeaderLen {
				yield(rawSection{}, fmt.Errorf("%w: %d bytes where a section header should be", ErrCorrupt, len(rest)))
				return
			}
			raw := rawSection{kind: SectionType(rest[0])}
			size := binary.LittleEndian.Uint32(rest[2:])
			if version := rest[1]; version != sectionVersionOne {
				yield(raw, fmt.Errorf("%w: %v of version %d, known is %d", ErrCorrupt, raw.kind, version, sectionVersionOne))
				return
			}
			rest = rest[sectionHeaderLen:]
			if uint64(size) > uint64(len(rest)) {
				yield(raw, fmt.Errorf("%w: %v of %d bytes, %d are there", ErrCorrupt, raw.kind, size, len(rest)))
				return
			}
			raw.body, rest = rest[:size:size], rest[size:]
			if !yield(raw, nil) {
				return
			}
		}
	}
}

// countSections tells how many sections an entry seems to have, and how many of them are blocks, for what is made of them to have its size at once.
func countSections(entry []byte) (all, blocks int) {
	for rest := entry[min(entryHeaderLen, len(entry)):]; len(rest) >= sectionHeaderLen; all++ {
		if SectionType(rest[0]) == sectionBlock {
			blocks++
		}
		size := uint64(binary.LittleEndian.Uint32(rest[2:]))
		rest = rest[sectionHeaderLen:]
		rest = rest[min(size, uint64(len(rest))):]
	}
	return all, blocks
}
