package partition

import (
	"encoding/binary"
)

// stateHashSection is the leader's hashes after an earlier entry, for each replica to compare its own with.
//
//	index: uvarint | effects, content: u64
type stateHashSection struct{ StateHash }

func (stateHashSection) sectionType() SectionType { return sectionStateHash }

func (s stateHashSection) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Index))
	b = binary.LittleEndian.AppendUint64(b, s.Effects)
	return binary.LittleEndian.AppendUint64(b, s.Content)
}

func decodeStateHash(body []byte) (s stateHashSection, err error) {
	d := decoder{b: body}
	s.Index = Index(d.uvarint("index"))
	s.Effects, s.Content = d.u64("effects"), d.u64("content")
	return s, d.done("state hash")
}

// stateLevelSection raises the state level: from here on entries may hold what came with it. The leader proposes it once every replica runs a release
// that knows it, so that a rolling upgrade can't make replicas differ.
type stateLevelSection struct{ Level uint32 }

func (stateLevelSection) sectionType() SectionType { return sectionStateLevel }

func (s stateLevelSection) appendBody(b []byte) []byte {
	return binary.AppendUvarint(b, uint64(s.Level))
}

func decodeStateLevel(body []byte) (s stateLevelSection, err error) {
	d := decoder{b: body}
	// One of a later release stops this replica, rather than have it differ from then on.
	s.Level = uint32(d.bounded("state level", StateLevel))
	return s, d.done("state level")
}

// StateLevel is the highest that this release knows. A release that changes what entries mean, or adds to them, has the next number, and keeps doing as
// the machine's own level says. 1 is the first.
const StateLevel = 1

// raiseLevel raises the state level, never lowers it.
func (m *Machine) raiseLevel(s stateLevelSection) Result {
	m.level = max(m.level, s.Level)
	return Result{}
}
