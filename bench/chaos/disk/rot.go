package disk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Damage is what Flip or Truncate did to a file, so that it can be undone.
type Damage struct {
	File string
	// was are the bytes from at on, as they were.
	at  int64
	was []byte
}

// filesWithBytes are a directory's files, in order, that have any.
func filesWithBytes(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > 0 {
			files = append(files, path)
		}
		return err
	})
	slices.Sort(files)
	return files, err
}

// flipTries is how many places are looked at for one that isn't zero: most of a
// log's file is room for later.
const flipTries = 200

// Flip flips a bit of a file below a directory: of one that has been written, where
// there is one.
func Flip(dir string, random *rand.Rand) (Damage, error) {
	files, err := filesWithBytes(dir)
	if err != nil {
		return Damage{}, err
	}
	if len(files) == 0 {
		return Damage{}, errors.New("there is no file with a byte")
	}
	for try := 0; ; try++ {
		name := files[random.IntN(len(files))]
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return Damage{}, err
		}
		info, err := f.Stat()
		if err != nil {
			return Damage{}, errors.Join(err, f.Close())
		}
		d := Damage{File: name, at: random.Int64N(info.Size()), was: make([]byte, 1)}
		if _, err := f.ReadAt(d.was, d.at); err != nil {
			return Damage{}, errors.Join(err, f.Close())
		}
		if d.was[0] == 0 && try < flipTries {
			if err := f.Close(); err != nil {
				return Damage{}, err
			}
			continue
		}
		_, err = f.WriteAt([]byte{d.was[0] ^ 1<<random.IntN(8)}, d.at)
		return d, errors.Join(err, f.Sync(), f.Close())
	}
}

// Truncate takes the last part of a file below a directory away, up to 64 KiB of it.
func Truncate(dir string, random *rand.Rand) (Damage, error) {
	files, err := filesWithBytes(dir)
	if err != nil {
		return Damage{}, err
	}
	if len(files) == 0 {
		return Damage{}, errors.New("there is no file with a byte")
	}
	f, err := os.OpenFile(files[random.IntN(len(files))], os.O_RDWR, 0)
	if err != nil {
		return Damage{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return Damage{}, errors.Join(err, f.Close())
	}
	d := Damage{File: f.Name(), was: make([]byte, 1+random.Int64N(min(info.Size(), 64<<10)))}
	d.at = info.Size() - int64(len(d.was))
	_, err = f.ReadAt(d.was, d.at)
	if err == nil {
		err = f.Truncate(d.at)
	}
	return d, errors.Join(err, f.Sync(), f.Close())
}

// Undo puts back what was there, if the file still is.
func (d Damage) Undo() error {
	f, err := os.OpenFile(d.File, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(d.was, d.at)
	return errors.Join(err, f.Sync(), f.Close())
}
