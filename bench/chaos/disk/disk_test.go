package disk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestDisk does to a disk what it is for. It needs root: without, NewRoom or NewDisk
// say what is missing, and that is all there is to see.
func TestDisk(t *testing.T) {
	room, err := NewRoom()
	if err != nil {
		t.Log(err)
		return
	}
	defer func() { _ = room.Close() }() // nothing was written to it
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d, err := room.NewDisk(ctx, filepath.Join(t.TempDir(), "n1"), 32<<20)
	if err != nil {
		t.Log(err)
		return
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	write := func(name string, sync bool) error {
		return d.Do(func() error {
			f, err := os.Create(filepath.Join(d.Path(), name))
			if err != nil {
				return err
			}
			_, err = f.Write(bytes.Repeat([]byte("freshet "), 1000))
			if sync {
				err = errors.Join(err, f.Sync())
			}
			return errors.Join(err, f.Close())
		})
	}
	if err := errors.Join(write("synced", true), write("not", false), d.Cut()); err != nil {
		t.Fatal(err)
	}
	if err := write("later", true); err == nil {
		t.Error("a write behind a power cut")
	}
	if err := d.Repower(); err != nil {
		t.Fatal(err)
	}
	size := func(name string) (size int64) {
		if err := d.Do(func() error {
			info, err := os.Stat(filepath.Join(d.Path(), name))
			if err == nil {
				size = info.Size()
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return size
	}
	if size("synced") != 8000 || size("not") == 8000 {
		t.Errorf("what was synced has %d bytes, what was not %d", size("synced"), size("not"))
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := write("full", true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write to a full disk: %v", err)
	}
	if err := errors.Join(d.Free(), write("free", true)); err != nil {
		t.Fatal(err)
	}
	if err := d.Fail(1 << 20); err != nil {
		t.Fatal(err)
	}
	if err := write("failing", true); !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.EROFS) {
		t.Errorf("a write to a failing disk: %v", err)
	}
	if err := errors.Join(d.Fail(0), d.Repower(), write("mended", true)); err != nil {
		t.Fatal(err)
	}
	if size("synced") != 8000 {
		t.Errorf("of what was synced before %d bytes are left", size("synced"))
	}
	if err := CanSlow(); err != nil {
		t.Log(err)
	} else {
		slowed := make(chan error)
		go func() {
			writes, err := d.Slow(100, 300*time.Millisecond)
			if err == nil && writes == 0 {
				err = errors.New("nothing was written meanwhile")
			}
			slowed <- err
		}()
		if err := errors.Join(write("slow", true), write("slower", true), <-slowed); err != nil {
			t.Error(err)
		}
	}
	// What fills a disk isn't gone while it has no power, or before it is mounted again; and when it is gone it stays so.
	if err := errors.Join(d.Fill(), d.Cut()); err != nil {
		t.Fatal(err)
	}
	if err := d.Free(); err == nil {
		t.Error("a disk without power was freed")
	}
	if err := errors.Join(d.Repower(), d.Fill(), d.unmount()); err != nil {
		t.Fatal(err)
	}
	if err := d.Free(); err == nil {
		t.Error("a disk was freed that isn't there")
	}
	if err := errors.Join(d.Mount(), d.Free(), d.Cut(), d.Repower()); err != nil {
		t.Fatal(err)
	}
	if size("ballast") != 0 {
		t.Errorf("of what filled the disk %d bytes have come back", size("ballast"))
	}
	// A disk that was emptied and lost its power is empty.
	if err := errors.Join(d.Wipe(), d.Cut(), d.Repower()); err != nil {
		t.Fatal(err)
	}
	if size("synced") != 0 {
		t.Errorf("of what was wiped %d bytes have come back", size("synced"))
	}
	frozen := make(chan error)
	go func() { frozen <- d.Freeze(ctx, 200*time.Millisecond) }()
	if err := <-frozen; err != nil {
		t.Error(err)
	}
	if err := errors.Join(write("thawed", true), d.Wipe()); err != nil {
		t.Error(err)
	}
	if size("thawed") != 0 {
		t.Error("something is left on a wiped disk")
	}
}

func TestDamageIsUndone(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "below", "file")
	was := bytes.Repeat([]byte{1, 2, 3}, 1000)
	if err := errors.Join(os.Mkdir(filepath.Dir(name), 0o700), os.WriteFile(name, was, 0o600)); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for _, harm := range []func(string, *rand.Rand) (Damage, error){Flip, Truncate} {
		d, err := harm(dir, random)
		if err != nil {
			t.Fatal(err)
		}
		if now, err := os.ReadFile(name); err != nil || bytes.Equal(now, was) {
			t.Errorf("nothing is damaged: %v", err)
		}
		if err := d.Undo(); err != nil {
			t.Fatal(err)
		}
		if now, err := os.ReadFile(name); err != nil || !bytes.Equal(now, was) {
			t.Errorf("not undone: %v", err)
		}
	}
}
