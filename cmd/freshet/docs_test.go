package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

var (
	// A markdown link's target, without what stands behind a #.
	linkPattern = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	// The first cell of a row of the error table whose code crosses the wire.
	errorRowPattern = regexp.MustCompile(`(?m)^\| (FR[^6]\d{3}) \|`)
)

// TestDocumentsLinkToWhatExists follows every relative link of every document.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	links := 0
	err := walkModule(treeRoot, func(name string, _ fs.DirEntry) error {
		if path.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(treeRoot, name))
		if err != nil {
			return err
		}
		for _, link := range linkPattern.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			links++
			target := path.Join(path.Dir(name), link[1])
			if _, err := os.Stat(filepath.Join(treeRoot, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if links == 0 {
		t.Fatal("found no link in any document")
	}
}

// TestErrorTableIsComplete compares the documented codes with the defined ones.
func TestErrorTableIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(treeRoot, "docs", "lookup", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented, defined []string
	for _, row := range errorRowPattern.FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1])
	}
	for number := range freshetv1.ErrorCode_name {
		if number != int32(freshetv1.ErrorCode_ERROR_CODE_UNSPECIFIED) {
			defined = append(defined, fmt.Sprintf("FR%04d", number))
		}
	}
	slices.Sort(defined)
	if !slices.Equal(documented, defined) {
		t.Errorf("docs/lookup/errors.md has a row for\n%v\nerrors.proto defines\n%v", documented, defined)
	}
}
