package broker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDirectoryBelongsToOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	first, err := openDirectory(path, "n1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = openDirectory(path, "n1")
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("opened twice: %v", err)
	}
	if first.Cluster != "" || first.Partitions != 0 {
		t.Errorf("a new directory is of %+v", first.identity)
	}
	if err := errors.Join(first.join("c1", 8), first.join("c1", 8), first.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := openDirectory(path, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if again.Cluster != "c1" || again.Node != "n1" || again.Partitions != 8 {
		t.Errorf("its identity became %+v", again.identity)
	}
	if err := again.join("c2", 8); err == nil || !strings.Contains(err.Error(), "belongs to cluster c1") {
		t.Errorf("it joined another cluster: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryRefused(t *testing.T) {
	for _, c := range []struct{ what, identity, node, want string }{
		{"another node's", `{"format":2,"node":"n1","cluster":"c1"}`, "n2", `belongs to node "n1"`},
		{"a later format", `{"format":3,"node":"n1","cluster":"c1"}`, "n1", "has format 3; this release reads 2"},
		{"half written", `{"format":1,"no`, "n1", "can't be read"},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := t.TempDir()
			if err := os.WriteFile(filepath.Join(path, "node.json"), []byte(c.identity), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := openDirectory(path, c.node)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// TestFilesAreTheOwners starts a node in a directory that was open to all, and looks at what it has made of it. Into the groups' own directories
// nobody else gets.
func TestFilesAreTheOwners(t *testing.T) {
	r := newRig(t)
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.start()
	seen := 0
	err := filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		if strings.Contains(below, "/") {
			return nil // what the parts make is as the process's mask says; nobody else gets through their directories
		}
		seen++
		want := fs.FileMode(fileMode)
		if entry.IsDir() {
			want = directoryMode
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != 6 {
		t.Errorf("saw %d files and directories", seen)
	}
}

// TestDirectoryOfStrangers is left as it is.
func TestDirectoryOfStrangers(t *testing.T) {
	path := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(path, "photos.tar"), nil, 0o600), os.Chmod(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := openDirectory(path, "n1"); err == nil || !strings.Contains(err.Error(), `has "photos.tar" in it`) {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || len(entries) != 1 || info.Mode().Perm() != 0o755 {
		t.Errorf("it was touched: %v, %v, %v, %v", err, statErr, entries, info.Mode())
	}
	for _, mine := range []string{"lost+found", "lock", "node.json.new"} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, mine), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := openDirectory(path, "n1")
		if err != nil {
			t.Fatalf("with %s: %v", mine, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
