package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestNeedRoom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	if err := needRoom(dir, 1); err != nil {
		t.Error(err)
	}
	if _, known := freeBytes(t.TempDir()); !known {
		return // this system doesn't tell, and nothing is refused
	}
	err := needRoom(dir, 1<<62)
	if err == nil {
		t.Fatal("4 EiB are free")
	}
	if text := err.Error(); !strings.Contains(text, "missing: ") || !strings.Contains(text, "(FR6002)") {
		t.Errorf("got %q", text)
	}
}
