package wal

import (
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// crashFS is a file system in memory that can be cloned as a crash would leave it. Pebble's own keeps or drops whole blocks
// of 4096 bytes, and not the same ones for the same seed; this one tears anywhere, and its clones share what they can.
//
// It knows one directory, and no more calls than the log makes. Of what was not synced a crash leaves: of each file's writes
// any sectors, and of one of these any part; of names made, changed and removed the first few.
type crashFS struct {
	vfs.FS // nil: what is missing here panics
	// after is called behind everything that changes what a crash would leave.
	after func(what string)

	locked  bool
	names   map[string]*crashNode
	synced  map[string]*crashNode
	pending []func(names map[string]*crashNode)
}

// crashNode is a file, whatever its name. Contents are replaced, never changed: clones share them.
type crashNode struct {
	content []byte
	base    []byte // as it was synced last; only when dirty
	dirty   bool
	writes  []crashWrite
}

type crashWrite struct {
	offset int64
	data   []byte
}

func newCrashFS() *crashFS {
	return &crashFS{after: func(string) {}, names: map[string]*crashNode{}, synced: map[string]*crashNode{}}
}

// change changes the directory, now and in what a crash may leave.
func (fs *crashFS) change(what string, apply func(names map[string]*crashNode)) {
	apply(fs.names)
	fs.pending = append(fs.pending, apply)
	fs.after(what)
}

func (fs *crashFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	node := &crashNode{}
	fs.change("create", func(names map[string]*crashNode) { names[name] = node })
	return &crashFile{fs: fs, node: node}, nil
}

func (fs *crashFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	if node := fs.names[name]; node != nil {
		return &crashFile{fs: fs, node: node}, nil
	}
	return nil, os.ErrNotExist
}

func (fs *crashFS) Rename(from, to string) error {
	node := fs.names[from]
	if node == nil {
		return os.ErrNotExist
	}
	fs.change("rename", func(names map[string]*crashNode) {
		delete(names, from)
		names[to] = node
	})
	return nil
}

func (fs *crashFS) Remove(name string) error {
	if fs.names[name] == nil {
		return os.ErrNotExist
	}
	fs.change("remove", func(names map[string]*crashNode) { delete(names, name) })
	return nil
}

func (fs *crashFS) List(string) ([]string, error) {
	var names []string
	for name := range fs.names {
		names = append(names, path.Base(name))
	}
	return names, nil
}

func (fs *crashFS) Stat(name string) (vfs.FileInfo, error) {
	if node := fs.names[name]; node != nil {
		return crashInfo{size: int64(len(node.content))}, nil
	}
	return nil, os.ErrNotExist
}

func (fs *crashFS) OpenDir(name string) (vfs.File, error) {
	return &crashFile{fs: fs, above: name != "/wal"}, nil
}
func (fs *crashFS) MkdirAll(string, os.FileMode) error { return nil }
func (fs *crashFS) PathJoin(elements ...string) string { return path.Join(elements...) }
func (fs *crashFS) PathDir(name string) string         { return path.Dir(name) }
func (fs *crashFS) Lock(name string) (io.Closer, error) {
	if fs.locked {
		return nil, os.ErrExist
	}
	fs.locked = true
	return crashLock{fs}, nil
}

type crashLock struct{ fs *crashFS }

func (l crashLock) Close() error {
	l.fs.locked = false
	return nil
}

type crashInfo struct {
	vfs.FileInfo // nil, as above
	size         int64
}

func (i crashInfo) Size() int64 { return i.size }

// crashFile is an open file; without a node it is the directory.
type crashFile struct {
	vfs.File // nil, as above
	fs       *crashFS
	node     *crashNode
	above    bool // it is the directory above
	at       int64
}

func (f *crashFile) Close() error                   { return nil }
func (f *crashFile) Fd() uintptr                    { return vfs.InvalidFd }
func (f *crashFile) Preallocate(int64, int64) error { return nil }
func (f *crashFile) Stat() (vfs.FileInfo, error) {
	return crashInfo{size: int64(len(f.node.content))}, nil
}

func (f *crashFile) ReadAt(to []byte, offset int64) (int, error) {
	if offset >= int64(len(f.node.content)) {
		return 0, io.EOF
	}
	n := copy(to, f.node.content[offset:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) Write(data []byte) (int, error) {
	n, err := f.WriteAt(data, f.at)
	f.at += int64(n)
	return n, err
}

func (f *crashFile) WriteAt(data []byte, offset int64) (int, error) {
	n := f.node
	if !n.dirty {
		n.dirty, n.base = true, n.content
	}
	n.writes = append(n.writes, crashWrite{offset, slices.Clone(data)})
	n.content = overlay(slices.Clone(n.content), data, offset)
	f.fs.after("write")
	return len(data), nil
}

func (f *crashFile) Sync() error {
	if f.above {
		return nil
	}
	if f.node == nil {
		f.fs.synced, f.fs.pending = maps.Clone(f.fs.names), nil
		f.fs.after("sync of the directory")
		return nil
	}
	f.node.dirty, f.node.base, f.node.writes = false, nil, nil
	f.fs.after("sync")
	return nil
}

func (f *crashFile) SyncData() error { return f.Sync() }

func overlay(content, data []byte, offset int64) []byte {
	if grow := offset + int64(len(data)) - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[offset:], data)
	return content
}

// crashMode is what becomes of what was not synced.
type crashMode int

const (
	crashDrops crashMode = iota
	crashKeeps
	crashTears
	crashModes
)

func (m crashMode) String() string {
	return [...]string{crashDrops: "drops", crashKeeps: "keeps", crashTears: "tears"}[m]
}

// crash returns a file system as a crash now would leave it.
func (fs *crashFS) crash(r *rand.Rand, mode crashMode) *crashFS {
	left := newCrashFS()
	names := maps.Clone(fs.synced)
	keep := 0
	switch mode {
	case crashKeeps:
		keep = len(fs.pending)
	case crashTears:
		keep = r.IntN(len(fs.pending) + 1)
	case crashDrops, crashModes:
	}
	for _, apply := range fs.pending[:keep] {
		apply(names)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		left.names[name] = &crashNode{content: names[name].crash(r, mode)}
	}
	left.synced = maps.Clone(left.names)
	return left
}

// killed returns the file system as it is when the process has ended: all is there, and locks are gone.
func (fs *crashFS) killed() *crashFS {
	return &crashFS{after: fs.after, names: fs.names, synced: fs.synced, pending: fs.pending}
}

func (n *crashNode) crash(r *rand.Rand, mode crashMode) []byte {
	switch {
	case !n.dirty || mode == crashKeeps:
		return n.content
	case mode == crashDrops:
		return n.base
	}
	content := slices.Clone(n.base)
	for _, w := range n.writes {
		content = w.tear(r, content)
	}
	return content
}

// tear puts some of a write's sectors into content: a first part, a last part, or any; and some bytes of one more.
func (w *crashWrite) tear(r *rand.Rand, content []byte) []byte {
	const sector = 512
	sectors := (len(w.data) + sector - 1) / sector
	cut, percent := r.IntN(sectors+1), 30+r.IntN(65)
	how := r.IntN(3)
	for i := range sectors {
		data := w.data[i*sector : min((i+1)*sector, len(w.data))]
		offset := w.offset + int64(i*sector)
		switch {
		case i == cut: // torn inside
			n := r.IntN(len(data) + 1)
			if r.IntN(2) == 0 {
				content = overlay(content, data[:n], offset)
			} else {
				content = overlay(content, data[n:], offset+int64(n))
			}
		case how == 0 && i < cut, how == 1 && i > cut, how == 2 && r.IntN(100) < percent:
			content = overlay(content, data, offset)
		}
	}
	return content
}
