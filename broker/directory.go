package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
)

// directory is a node's data directory, held by this process:
//
//	lock        held (flock) while a process uses the directory; has its process id
//	node.json   identity: whose directory it is
//	meta/       the metadata group: catalog
//	log/        the log of all partitions
//	state/      their checkpoints
//
// Directories have mode 0700 and files 0600: what is in them is other people's events.
type directory struct {
	path string
	lock *os.File
	identity
}

// identity is what node.json says. It is written when the directory is made, when the node begins to take part, and when
// it has joined its cluster.
type identity struct {
	// Format of the directory. This release writes and reads 2.
	Format int `json:"format"`
	// Directory tells it from any other that the node ever had: it is drawn when it is made.
	Directory string `json:"directory"`
	// Node is the node's name.
	Node string `json:"node"`
	// Generation in which the node takes part with it, from 1; 0: it takes part in nothing yet (greeting.go). It is part of the node's name
	// wherever others count on what it has stored (raftName).
	Generation uint32 `json:"generation,omitempty"`
	// Founders are the directories that the nodes came with, by name, where this one was there when they began.
	Founders map[string]string `json:"founders,omitempty"`
	// Cluster is the cluster's id, empty before the node has joined one; a directory that came from another cluster is refused by it.
	Cluster string `json:"cluster,omitempty"`
	// Partitions is how many the cluster has; 0 before the node has joined.
	Partitions int `json:"partitions,omitempty"`
}

const (
	directoryFormat = 2
	directoryMode   = 0o700
	fileMode        = 0o600
)

// openDirectory takes a data directory for this process.
func openDirectory(path, node string) (*directory, error) {
	if err := makeDirectory(vfs.Default, path); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := checkOurs(path); err != nil {
		return nil, err
	}
	// One that was there before may be too open.
	if err := os.Chmod(path, directoryMode); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &directory{path: path}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := d.identify(node); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// makeDirectory makes a directory that isn't there, with those above it, so that they survive a power cut: a node whose directory was gone would have
// forgotten what it has promised.
func makeDirectory(files vfs.FS, path string) error {
	switch _, err := files.Stat(path); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := files.PathDir(path)
	if parent != path {
		if err := makeDirectory(files, parent); err != nil {
			return err
		}
	}
	if err := files.MkdirAll(path, directoryMode); err != nil {
		return err
	}
	above, err := files.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(above.Sync(), above.Close())
}

// checkOurs refuses a directory that holds other things than a node's, before anything in it is touched: whoever named it meant another one.
// What a crash leaves before there is an identity is a lock and perhaps a half of node.json; a new file system has its lost+found.
func checkOurs(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	stranger := ""
	for _, entry := range entries {
		switch entry.Name() {
		case "node.json":
			return nil
		case "lock", "node.json.new", "lost+found":
		default:
			stranger = entry.Name()
		}
	}
	if stranger == "" {
		return nil
	}
	return fmt.Errorf("data directory %s is none: it has %q in it, and no node.json; name an empty directory, or one that a node has made", path, stranger)
}

// acquire locks the directory, or says which process has it.
func (d *directory) acquire() error {
	name := filepath.Join(d.path, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	held, err := lockFile(f)
	switch {
	case err != nil:
		return errors.Join(fmt.Errorf("locking %s: %w", name, err), f.Close())
	case !held:
		holder := "another process"
		if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
			holder = "process " + strings.TrimSpace(string(b))
		}
		return errors.Join(fmt.Errorf("data directory %s is in use by %s: stop it, or choose another directory", d.path, holder), f.Close())
	}
	d.lock = f
	// The process id is for people alone; the lock is what counts.
	if err := f.Truncate(0); err != nil {
		return errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// identify reads whose directory it is, or makes it ours when it is new.
func (d *directory) identify(node string) error {
	name := filepath.Join(d.path, "node.json")
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.introduce(identity{Format: directoryFormat, Directory: uuid.NewString(), Node: node})
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := json.Unmarshal(raw, &d.identity); err != nil {
		return fmt.Errorf("%s can't be read: %w", name, err)
	}
	switch {
	case d.Format != directoryFormat:
		return fmt.Errorf("data directory %s has format %d; this release reads %d", d.path, d.Format, directoryFormat)
	case d.Node != node:
		return fmt.Errorf("data directory %s belongs to node %q, and this is node %q: correct the name, or choose another directory", d.path, d.Node, node)
	}
	return nil
}

// begin notes that the node takes part, and as who. Nobody has been promised anything before.
func (d *directory) begin(generation uint32, founders map[string]string) error {
	begun := d.identity
	begun.Generation, begun.Founders = generation, founders
	return d.introduce(begun)
}

// raftName is the node's, as the members of its groups know it.
func (d *directory) raftName() string { return raftName(d.Node, d.Generation) }

// generationMark is no part of any node's own name.
const generationMark = "#"

// raftName is a node's name in Raft's configurations: its own, and from its second directory on the generation too: "n3", "n3#2". What a directory has
// voted for and stored is forgotten with it, so that the node must not be taken for who it was.
func raftName(node string, generation uint32) string {
	if generation <= 1 {
		return node
	}
	return node + generationMark + strconv.FormatUint(uint64(generation), 10)
}

// splitRaftName returns whose name it is, and of which generation.
func splitRaftName(name string) (node string, generation uint32) {
	node, number, later := strings.Cut(name, generationMark)
	if !later {
		return node, 1
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil { // nobody gives such a name; a node's own has no mark in it
		return name, 1
	}
	return node, uint32(n)
}

// nodeOf returns whose name it is.
func nodeOf(raftName string) string {
	node, _ := splitRaftName(raftName)
	return node
}

// join notes which cluster the directory belongs to, or refuses one that it doesn't.
func (d *directory) join(cluster string, partitions int) error {
	switch {
	case d.Cluster != "" && d.Cluster != cluster:
		return fmt.Errorf("data directory %s belongs to cluster %s, and the nodes that this one has reached to cluster %s: choose another directory, or correct the addresses",
			d.path, d.Cluster, cluster)
	case d.Cluster == cluster && d.Partitions == partitions:
		return nil
	}
	joined := d.identity
	joined.Cluster, joined.Partitions = cluster, partitions
	return d.introduce(joined)
}

// introduce writes node.json so that it is there whole or not at all. A crash before the first rename leaves a directory that is still new: nothing
// else has been written to it by then. One before the second leaves a node that has yet to join.
func (d *directory) introduce(id identity) (err error) {
	name := filepath.Join(d.path, "node.json")
	raw, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := syncDirectory(d.path); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	d.identity = id
	return nil
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// part returns where a part of the node has its files.
func (d *directory) part(name string) string { return filepath.Join(d.path, name) }

// Close gives the directory back.
func (d *directory) Close() error { return d.lock.Close() }
