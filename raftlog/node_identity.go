package raftlog

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	nodeFile    = "node.json"
	nodeVersion = 1
	logDir      = "log"
	stateDir    = "state"
)

// nodeIdentity says whose directory it is. Its id, drawn when the directory is made, is in every segment of the log, so that no
// other node's is taken for it.
//
// A crash while the directory is made leaves it in stateCreating: then there may or may not be a log, and nothing can have been
// promised to anybody. From stateReady on there must be one.
type nodeIdentity struct {
	Version int    `json:"version"`
	Node    string `json:"node"`
	Text    string `json:"id"`
	State   string `json:"state"`

	ID [16]byte `json:"-"`
}

// nodeFiles is the node's directory.
type nodeFiles struct {
	fs  vfs.FS
	dir string
}

func (f nodeFiles) path(name string) string { return f.fs.PathJoin(f.dir, name) }

// make makes the directory for this user alone, on disk in the one above.
func (f nodeFiles) make() error {
	if err := f.fs.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	return syncDirIn(f.fs, f.fs.PathDir(f.dir))
}

// claim reads the directory's identity, and gives it one when it is new.
func (f nodeFiles) claim(node string) (nodeIdentity, error) {
	path := f.path(nodeFile)
	text, err := readFile(f.fs, path)
	if errors.Is(err, fs.ErrNotExist) {
		if logged, err := f.hasLog(); err != nil || logged {
			return nodeIdentity{}, errors.Join(err, fmt.Errorf("%w: %s has a log and no %s", ErrForeign, f.dir, nodeFile))
		}
		mine := nodeIdentity{Version: nodeVersion, Node: node, State: stateCreating}
		rand.Read(mine.ID[:])
		mine.Text = hex.EncodeToString(mine.ID[:])
		return mine, f.write(mine)
	}
	if err != nil {
		return nodeIdentity{}, fmt.Errorf("raftlog: reading whose directory it is: %w", err)
	}
	var found nodeIdentity
	if err := json.Unmarshal(text, &found); err != nil {
		return nodeIdentity{}, fmt.Errorf("%w: %s: %w", ErrForeign, path, err)
	}
	id, err := hex.DecodeString(found.Text)
	switch {
	case found.Version != nodeVersion:
		return nodeIdentity{}, fmt.Errorf("%w: %s has version %d, this build knows %d", ErrForeign, path, found.Version, nodeVersion)
	case found.Node != node:
		return nodeIdentity{}, fmt.Errorf("%w: %s belongs to node %q, not to %q", ErrForeign, f.dir, found.Node, node)
	case err != nil || len(id) != len(found.ID):
		return nodeIdentity{}, fmt.Errorf("%w: %s has the id %q; it must be 32 hexadecimal digits", ErrForeign, path, found.Text)
	case found.State != stateCreating && found.State != stateReady:
		return nodeIdentity{}, fmt.Errorf("%w: %s has state %q", ErrForeign, path, found.State)
	}
	found.ID = [16]byte(id)
	logged, err := f.hasLog()
	if err == nil && found.State == stateReady && !logged {
		// Before the log is opened, which would make a new one.
		err = fmt.Errorf("%w: %s was made, and has no log any more", ErrForeign, f.dir)
	}
	return found, err
}

// hasLog says whether there is any file of the log.
func (f nodeFiles) hasLog() (bool, error) {
	names, err := f.fs.List(f.path(logDir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("raftlog: %w", err)
	}
	for _, name := range names {
		if name != lockFile {
			return true, nil
		}
	}
	return false, nil
}

// ready notes that the log is there.
func (f nodeFiles) ready(id nodeIdentity) error {
	if id.State == stateReady {
		return nil
	}
	id.State = stateReady
	return f.write(id)
}

func (f nodeFiles) write(id nodeIdentity) error {
	text, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("raftlog: encoding whose directory it is: %w", err)
	}
	return replaceFile(f.fs, f.path(nodeFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// replaceFile writes a file so that a crash leaves the old one or the new one, whole.
func replaceFile(filesystem vfs.FS, path string, write func(io.Writer) error) error {
	fresh := path + ".new"
	file, err := filesystem.Create(fresh, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	if err = write(file); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("raftlog: writing %s: %w", fresh, err)
	}
	if err := filesystem.Rename(fresh, path); err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	return syncDirIn(filesystem, filesystem.PathDir(path))
}

func readFile(filesystem vfs.FS, path string) ([]byte, error) {
	file, err := filesystem.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	return text, errors.Join(err, file.Close())
}

// syncDirIn makes a directory's names durable.
func syncDirIn(filesystem vfs.FS, dir string) error {
	file, err := filesystem.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("raftlog: syncing %s: %w", dir, err)
	}
	return nil
}
