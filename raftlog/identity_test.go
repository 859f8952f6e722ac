package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForeignDirectories(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, options *Options)
		says   string
	}{
		"another node":  {func(_ *testing.T, o *Options) { o.Node = "n2" }, `belongs to group "p0" of node "n1", not to group "p0" of node "n2"`},
		"another group": {func(_ *testing.T, o *Options) { o.Name = "p1" }, `not to group "p1"`},
		"log lost":      {func(t *testing.T, o *Options) { remove(t, o.Dir, logFile) }, "has no log any more"},
		"identity lost": {func(t *testing.T, o *Options) { remove(t, o.Dir, identityFile) }, "has a log and no identity.json"},
		"identity cut":  {func(t *testing.T, o *Options) { write(t, o.Dir, identityFile, `{"version":2,`) }, "unexpected end"},
		"newer release": {func(t *testing.T, o *Options) {
			write(t, o.Dir, identityFile, `{"version":3,"group":"p0","node":"n1","state":"ready"}`)
		}, "version 3"},
		"unknown state": {func(t *testing.T, o *Options) {
			write(t, o.Dir, identityFile, `{"version":2,"group":"p0","node":"n1","state":"half"}`)
		}, `state "half"`},
	} {
		t.Run(name, func(t *testing.T) {
			options := testOptions(t, filepath.Join(t.TempDir(), "deep", "er"))
			g := openLeading(t, options)
			propose(t, g, []byte("a"))
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			c.change(t, &options)
			if g, err := Open(options); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, %v; want an error that says %s", g, err, c.says)
			}
		})
	}
}

func TestDirectoryIsPrivateAndExclusive(t *testing.T) {
	options := testOptions(t, filepath.Join(t.TempDir(), "deep", "er"))
	openLeading(t, options)
	for _, dir := range []string{options.Dir, filepath.Dir(options.Dir)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	if g, err := Open(options); err == nil {
		t.Fatalf("opened twice: %v", g.Close())
	}
	options.Dir = filepath.Join(options.Dir, identityFile)
	if _, err := Open(options); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Fatalf("a file as directory: %v", err)
	}
}

// TestDiedWhileMaking leaves behind what each crash during the making of a group does, and expects the group to be made.
func TestDiedWhileMaking(t *testing.T) {
	const creating = `{"version":2,"group":"p0","node":"n1","state":"creating"}`
	for name, leave := range map[string]func(t *testing.T, dir string){
		"before the identity's rename": func(t *testing.T, dir string) { write(t, dir, identityFile+".new", creating[:20]) },
		"before the log":               func(t *testing.T, dir string) { write(t, dir, identityFile, creating) },
		"with a torn log": func(t *testing.T, dir string) {
			write(t, dir, identityFile, creating)
			write(t, dir, logFile, "torn")
		},
		"between the first term and the first entry": func(t *testing.T, dir string) {
			write(t, dir, identityFile, creating)
			s := openTestStore(t, dir, 1)
			if err := s.SetUint64([]byte("CurrentTerm"), 1); err != nil {
				t.Fatal(err)
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			s.disk = closedDisk{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			options := testOptions(t, t.TempDir())
			leave(t, options.Dir)
			g := openLeading(t, options)
			propose(t, g, []byte("a"))
		})
	}
}

// TestHoleInTheLog: missing entries are refused (R2), not skipped.
func TestHoleInTheLog(t *testing.T) {
	options := testOptions(t, t.TempDir())
	g := openLeading(t, options)
	for range 5 {
		propose(t, g, []byte("a"))
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	bolt, err := openBolt(filepath.Join(options.Dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(bolt.DeleteRange(4, 4), bolt.Close()); err != nil {
		t.Fatal(err)
	}
	if g, err := Open(options); err == nil || !strings.Contains(err.Error(), "entry 5 behind entry 3") {
		t.Fatalf("%v, %v", g, err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
