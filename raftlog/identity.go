package raftlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	identityFile = "identity.json"
	// identityVersion is that of the directory: 2 has checksums in the log (summed.go).
	identityVersion = 2

	// stateCreating: the group's first entry may not be on disk yet. Nothing can have been proposed.
	stateCreating = "creating"
	// stateReady: it is.
	stateReady = "ready"
)

// identity says whose directory it is. It is what tells a group that was never there, which may be made, from one whose
// log has been lost: made anew under the same name, that one would forget what it has promised to others.
type identity struct {
	Version int    `json:"version"`
	Group   string `json:"group"`
	Node    string `json:"node"`
	State   string `json:"state"`
}

// claim reads the directory's identity, and gives it one when it is new.
func claim(dir, group, node string) (identity, error) {
	path := filepath.Join(dir, identityFile)
	mine := identity{Version: identityVersion, Group: group, Node: node, State: stateCreating}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, logFile)); err == nil {
			return identity{}, fmt.Errorf("%w: %s has a log and no %s", ErrForeign, dir, identityFile)
		}
		return mine, mine.write(dir)
	}
	if err != nil {
		return identity{}, fmt.Errorf("raftlog: reading whose directory it is: %w", err)
	}
	var found identity
	if err := json.Unmarshal(text, &found); err != nil {
		return identity{}, fmt.Errorf("%w: %s: %w", ErrForeign, path, err)
	}
	switch {
	case found.Version != identityVersion:
		return identity{}, fmt.Errorf("%w: %s has version %d, this build knows %d", ErrForeign, path, found.Version, identityVersion)
	case found.Group != group || found.Node != node:
		return identity{}, fmt.Errorf("%w: %s belongs to group %q of node %q, not to group %q of node %q",
			ErrForeign, dir, found.Group, found.Node, group, node)
	case found.State != stateCreating && found.State != stateReady:
		return identity{}, fmt.Errorf("%w: %s has state %q", ErrForeign, path, found.State)
	}
	return found, nil
}

// write replaces the file, so that a crash leaves the old one or the new one, whole.
func (id identity) write(dir string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("raftlog: encoding whose directory it is: %w", err)
	}
	path := filepath.Join(dir, identityFile)
	if err := writeSynced(path+".new", append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	return syncDir(dir)
}

func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("raftlog: writing %s: %w", path, err)
	}
	return nil
}

// makeDir makes the directory and its parents for this user alone, each of them on disk in the one above.
func makeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("raftlog: %s is not a directory", dir)
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("raftlog: %w", err)
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	// Another group of this process may be making the same parents.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("raftlog: %w", err)
	}
	return syncDir(parent)
}

// syncDir makes the directory's names durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("raftlog: syncing %s: %w", dir, err)
	}
	return nil
}
