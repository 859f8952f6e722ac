package raftlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// TestTruncatedBolt: a file whose end is gone is refused in words wherever it ends, or has all of its entries, where only room that was never used is
// gone. bbolt, asked to open it, ends the process.
func TestTruncatedBolt(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, 1<<20)
	const last = 100
	for index := range uint64(last) {
		mustStore(t, s, entry(index+1, 1, strings.Repeat("x", 2100)))
	}
	if err := errors.Join(s.SetUint64(keyCurrentTerm, 1), s.close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut")
	refused, opened := 0, 0
	for length := 0; length <= len(whole); length += 2048 {
		if err := os.WriteFile(path, whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		contents, err := scanBolt(path)
		switch {
		case err != nil:
			refused++
		case contents.last() != last:
			t.Fatalf("%d bytes of %d were opened, and have %d entries of %d", length, len(whole), contents.last(), last)
		default:
			opened++
		}
	}
	if refused < 100 || opened < 1 {
		t.Errorf("%d lengths were refused, %d opened", refused, opened)
	}
}

// TestRottenBolt (R4): with a bit of the file flipped it is refused, in words, or all is there as it was written.
func TestRottenBolt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, logFile)
	s := openTestStore(t, dir, 0)
	const last = 40
	data := func(index uint64) string { return strings.Repeat(fmt.Sprint(index), 40) }
	var entries []*raft.Log
	for index := range uint64(last) {
		entries = append(entries, entry(index+1, 1+index/8, data(index+1)))
	}
	mustStore(t, s, entries...)
	vote := errors.Join(s.SetUint64(keyCurrentTerm, 7), s.SetUint64(keyLastVoteTerm, 7), s.Set(keyLastVoteCandidate, []byte("n2")))
	if err := errors.Join(vote, s.close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 7))
	refused := 0
	page := os.Getpagesize()
	for range 200 {
		rotten := slices.Clone(whole)
		at := 2*page + r.IntN(len(whole)-2*page)
		for whole[at] == 0 { // mostly what was never used
			at = 2*page + r.IntN(len(whole)-2*page)
		}
		if in := at % page; in >= 12 && in < 16 {
			continue // how long a page is; and the first two pages: see scanBolt
		}
		rotten[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(path, rotten, 0o600); err != nil {
			t.Fatal(err)
		}
		options := Options{CacheBytes: -1, CheckpointBytes: 1 << 10}
		options.EnsureDefaults()
		s, err := openStore(path, &options)
		if err != nil {
			refused++
			continue
		}
		for index := range uint64(last) {
			var got raft.Log
			if err := s.GetLog(index+1, &got); err != nil || string(got.Data) != data(index+1) || got.Term != 1+index/8 {
				t.Errorf("byte %d: entry %d is of term %d, with %q: %v", at, index+1, got.Term, got.Data, err)
			}
		}
		term, err := s.GetUint64(keyLastVoteTerm)
		candidate, errCandidate := s.Get(keyLastVoteCandidate)
		if err := errors.Join(err, errCandidate, s.close()); err != nil || term != 7 || string(candidate) != "n2" {
			t.Errorf("byte %d: the vote is %d for %q: %v", at, term, candidate, err)
		}
	}
	if refused < 50 {
		t.Errorf("%d flips were refused", refused)
	}
}
