package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// StateFiles is a plain StateStore: a file for each group, written anew with every checkpoint. It holds a group's state in
// memory while it writes it, so it is for tests, benchmarks and small states; partition/store is the one for large ones.
//
//	┌───────────┬─────────┬───────┬───────┬──────────────────┬───────────────────┬────────────┬────────┬───────────┐
//	│ "frshstat"│ version │ index │ term  │ membership index │ membership length │ membership │ CRC32C │ records   │
//	│  8 bytes  │ 4 bytes │ 8     │ 8     │ 8                │ 4                 │            │ 4      │ records.go│
//	└───────────┴─────────┴───────┴───────┴──────────────────┴───────────────────┴────────────┴────────┴───────────┘
type StateFiles struct {
	fs  vfs.FS
	dir string
	// One lock for each group: Commit reads what it replaces.
	mu struct {
		sync.Mutex
		groups map[GroupNumber]*sync.Mutex
	}
}

const (
	stateMagic      = "frshstat"
	stateVersion    = 1
	stateHeadBytes  = 8 + 4 + 8 + 8 + 8 + 4
	membershipMax   = 1 << 20
	stateFileSuffix = ".state"
)

var _ StateStore = (*StateFiles)(nil)

// OpenStateFiles opens a directory, and makes it when it is not there; the one above must be.
func OpenStateFiles(filesystem vfs.FS, dir string) (*StateFiles, error) {
	if err := (nodeFiles{fs: filesystem, dir: dir}).make(); err != nil {
		return nil, err
	}
	s := &StateFiles{fs: filesystem, dir: dir}
	s.mu.groups = map[GroupNumber]*sync.Mutex{}
	return s, nil
}

func (s *StateFiles) path(group GroupNumber) string {
	return s.fs.PathJoin(s.dir, fmt.Sprintf("%08x%s", uint32(group), stateFileSuffix))
}

func (s *StateFiles) lock(group GroupNumber) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.groups[group] == nil {
		s.mu.groups[group] = &sync.Mutex{}
	}
	return s.mu.groups[group]
}

// Commit implements StateStore.
func (s *StateFiles) Commit(group GroupNumber, meta CheckpointMeta, records iter.Seq2[Record, error], whole bool) error {
	lock := s.lock(group)
	lock.Lock()
	defer lock.Unlock()
	state := map[string][]byte{}
	if !whole {
		if err := s.load(group, meta, state); err != nil {
			return err
		}
	}
	for record, err := range records {
		if err != nil {
			return err
		}
		switch {
		case record.Value == nil && whole:
			return record.check()
		case record.Value == nil:
			delete(state, string(record.Key))
		default:
			state[string(record.Key)] = bytes.Clone(record.Value)
		}
	}
	var sorted []Record
	for key, value := range state {
		if value == nil {
			value = []byte{}
		}
		sorted = append(sorted, Record{Key: []byte(key), Value: value})
	}
	slices.SortFunc(sorted, func(a, b Record) int { return bytes.Compare(a.Key, b.Key) })
	return replaceFile(s.fs, s.path(group), func(w io.Writer) error {
		if _, err := w.Write(appendStateHead(nil, meta)); err != nil {
			return err
		}
		return writeRecords(w, all(sorted))
	})
}

// load reads the state that is there, which changes as of an entry are to be added to.
func (s *StateFiles) load(group GroupNumber, next CheckpointMeta, into map[string][]byte) (err error) {
	reader, err := s.Open(group)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if at := reader.Meta().Index; next.Index < at {
		return fmt.Errorf("raftlog: the checkpoint of group %d is of entry %d, its changes are of entry %d", group, at, next.Index)
	}
	for record, err := range reader.Records() {
		if err != nil {
			return err
		}
		into[string(record.Key)] = append([]byte{}, record.Value...)
	}
	return nil
}

// Latest implements StateStore.
func (s *StateFiles) Latest(group GroupNumber) (CheckpointMeta, bool, error) {
	reader, err := s.Open(group)
	if errors.Is(err, fs.ErrNotExist) {
		return CheckpointMeta{}, false, nil
	}
	if err != nil {
		return CheckpointMeta{}, false, err
	}
	return reader.Meta(), true, reader.Close()
}

// Open implements StateStore. The file stays readable when another has taken its name.
func (s *StateFiles) Open(group GroupNumber) (StateReader, error) {
	path := s.path(group)
	file, err := s.fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("raftlog: opening the state of group %d: %w", group, err)
	}
	reader := &stateFile{file: file}
	if err := reader.head(); err != nil {
		return nil, errors.Join(fmt.Errorf("raftlog: reading %s: %w", path, err), file.Close())
	}
	return reader, nil
}

// Remove implements StateStore.
func (s *StateFiles) Remove(group GroupNumber) error {
	if err := s.fs.Remove(s.path(group)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("raftlog: removing the state of group %d: %w", group, err)
	}
	return syncDirIn(s.fs, s.dir)
}

// Groups implements StateStore.
func (s *StateFiles) Groups() ([]GroupNumber, error) {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	var groups []GroupNumber
	for _, name := range names {
		var group uint32
		if n, err := fmt.Sscanf(name, "%08x"+stateFileSuffix, &group); n == 1 && err == nil && name == s.fs.PathBase(s.path(GroupNumber(group))) {
			groups = append(groups, GroupNumber(group))
		}
	}
	slices.Sort(groups)
	return groups, nil
}

func appendStateHead(head []byte, meta CheckpointMeta) []byte {
	head = append(head, stateMagic...)
	head = binary.LittleEndian.AppendUint32(head, stateVersion)
	head = binary.LittleEndian.AppendUint64(head, meta.Index)
	head = binary.LittleEndian.AppendUint64(head, meta.Term)
	head = binary.LittleEndian.AppendUint64(head, meta.MembershipIndex)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(meta.Membership)))
	head = append(head, meta.Membership...)
	return binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
}

// stateFile is an opened state.
type stateFile struct {
	file  vfs.File
	meta  CheckpointMeta
	begin int64 // of the records
}

func (f *stateFile) head() error {
	head := make([]byte, stateHeadBytes)
	if _, err := io.ReadFull(io.NewSectionReader(f.file, 0, stateHeadBytes), head); err != nil {
		return fmt.Errorf("%w: its head: %w", errRecords, err)
	}
	if found := string(head[:8]); found != stateMagic {
		return fmt.Errorf("%w: it begins with %q", errRecords, found)
	}
	if version := binary.LittleEndian.Uint32(head[8:]); version != stateVersion {
		return fmt.Errorf("%w: it has version %d, this build knows %d", errRecords, version, stateVersion)
	}
	length := binary.LittleEndian.Uint32(head[36:])
	if length > membershipMax {
		return fmt.Errorf("%w: its members have %d bytes; the limit is %d", errRecords, length, membershipMax)
	}
	rest := make([]byte, length+4)
	if _, err := io.ReadFull(io.NewSectionReader(f.file, stateHeadBytes, int64(len(rest))), rest); err != nil {
		return fmt.Errorf("%w: its members: %w", errRecords, err)
	}
	members, want := rest[:length], binary.LittleEndian.Uint32(rest[length:])
	if sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, members); sum != want {
		return fmt.Errorf("%w: its head has the checksum %08x, and says %08x", errRecords, sum, want)
	}
	f.begin = stateHeadBytes + int64(len(rest))
	f.meta = CheckpointMeta{
		Index: binary.LittleEndian.Uint64(head[12:]), Term: binary.LittleEndian.Uint64(head[20:]),
		MembershipIndex: binary.LittleEndian.Uint64(head[28:]), Membership: members,
	}
	return nil
}

// Meta implements StateReader.
func (f *stateFile) Meta() CheckpointMeta { return f.meta }

// Records implements StateReader.
func (f *stateFile) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		info, err := f.file.Stat()
		if err != nil {
			yield(Record{}, err)
			return
		}
		readRecords(io.NewSectionReader(f.file, f.begin, info.Size()-f.begin))(yield)
	}
}

// Close implements StateReader.
func (f *stateFile) Close() error { return f.file.Close() }
