package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

const (
	// eventBytesMax is the largest event that any topic takes (limits: 1 MiB).
	eventBytesMax = 1 << 20
	// patternBytesMax is the largest pattern text.
	patternBytesMax = 64 << 10
	// lineBytesMax bounds a line of a file: an event, and the envelope around it.
	lineBytesMax = eventBytesMax + 64<<10
)

// input is a file or standard input, opened, unpacked if it is gzip.
type input struct {
	io.Reader
	name  string // for messages
	close func() error
}

// openInput opens a file; "-" is standard input. gzip is known by its content.
func openInput(name string, stdin io.Reader) (*input, error) {
	opened := &input{Reader: stdin, name: "standard input", close: func() error { return nil }}
	if name != "-" {
		opened.name = strconv.Quote(name)
		file, err := os.Open(name)
		if err != nil {
			return nil, fileFailure(opened.name, err)
		}
		opened.Reader, opened.close = file, file.Close
	}
	buffered := bufio.NewReaderSize(opened.Reader, 64<<10)
	opened.Reader = buffered
	// Peek fails on less than two bytes, which are no gzip either.
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, errors.Join(fileFailure(opened.name, err), opened.close())
		}
		opened.Reader = unpacked
	}
	return opened, nil
}

// readInput reads all of a file or of standard input, at most bytesMax.
func readInput(name string, stdin io.Reader, bytesMax int64) ([]byte, error) {
	opened, err := openInput(name, stdin)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(opened, bytesMax+1))
	if err = errors.Join(err, opened.close()); err != nil {
		return nil, fileFailure(opened.name, err)
	}
	if int64(len(text)) > bytesMax {
		return nil, &failure{code: codeLimit, what: fmt.Sprintf("%s is larger than %s", opened.name, size(bytesMax).rough())}
	}
	return text, nil
}

// lines calls each with every line that isn't blank, and its number from 1. The
// line is only good until each returns. An error of each ends it.
func (in *input) lines(each func(number int, line []byte) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 64<<10), lineBytesMax)
	number := 0
	for scanner.Scan() {
		number++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		if err := each(number, scanner.Bytes()); err != nil {
			return err
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return &failure{code: codeLimit, what: fmt.Sprintf("line %d of %s is larger than %s", number+1, in.name, size(lineBytesMax).rough())}
	}
	if scanner.Err() != nil {
		return fileFailure(in.name, scanner.Err())
	}
	return nil
}

// fileFailure says that a file can't be used; name is quoted already.
func fileFailure(name string, err error) *failure {
	if errors.Is(err, fs.ErrNotExist) {
		return &failure{code: codeFile, what: "there is no file " + name, cause: err}
	}
	reason := err.Error()
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err.Error()
	}
	return &failure{code: codeFile, what: fmt.Sprintf("can't read %s: %s", name, strings.TrimSpace(reason)), cause: err}
}
