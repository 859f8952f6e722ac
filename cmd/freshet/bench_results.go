package main

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/freshet-mq/freshet/bench/load"
	"github.com/freshet-mq/freshet/bench/page"
)

// benchResults are the files that a bench writes. They are opened before it begins, so that a
// name that can't be written to costs no time, and removed if nothing comes of it.
type benchResults struct {
	earlier []byte // the JSON of the run that this one is compared with
	files   []*benchFile
}

// benchFile is one of them.
type benchFile struct {
	name  string
	file  *os.File
	into  *bufio.Writer
	write func(into io.Writer, r *load.Report) error // at the end; nil: it is written meanwhile
}

// openResults opens what the flags ask for.
func (b *benchFlags) openResults(*invocation) (_ *benchResults, err error) {
	r := &benchResults{}
	defer func() {
		if err != nil {
			err = r.close(err)
		}
	}()
	if r.earlier, err = b.earlier(); err != nil {
		return r, err
	}
	for _, wanted := range []benchFile{
		{name: b.CSV, write: load.WriteCSV},
		{name: b.HTML, write: page.Write},
		{name: b.HDR},
	} {
		if wanted.name == "" {
			continue
		}
		if wanted.file, err = os.Create(wanted.name); err != nil {
			return r, fileFailure("a file for results", err)
		}
		wanted.into = bufio.NewWriter(wanted.file)
		r.files = append(r.files, &wanted)
	}
	return r, nil
}

// intervals is where the log of histograms goes; nil if nobody asked for it.
func (r *benchResults) intervals() io.Writer {
	for _, f := range r.files {
		if f.write == nil {
			return f.into
		}
	}
	return nil
}

// write writes what is written at the end.
func (r *benchResults) write(report *load.Report) error {
	var errs []error
	for _, f := range r.files {
		if f.write != nil {
			errs = append(errs, f.write(f.into, report))
		}
		errs = append(errs, f.into.Flush())
	}
	if err := errors.Join(errs...); err != nil {
		return fileFailure("a file for results", err)
	}
	return nil
}

// close closes the files. When the bench has failed they are removed: there is nothing in them.
func (r *benchResults) close(failed error) error {
	for _, f := range r.files {
		err := f.file.Close()
		if failed != nil && !errors.Is(failed, errAnswerIsNo) {
			err = errors.Join(err, os.Remove(f.name))
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
