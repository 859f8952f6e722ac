package matcher_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/matcher/corpus"
	"github.com/freshet-mq/freshet/matcher/matchertest"
)

// random makes a source of randomness and says how to get the same again.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FRESHET_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to replay: FRESHET_SEED=%d go test -run '^%s$' ./matcher", seed, t.Name())
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func TestEngines(t *testing.T) {
	for _, engine := range matcher.Engines() {
		t.Run(engine.Name, func(t *testing.T) {
			matchertest.Suite{Engine: engine, Corpora: os.DirFS("testdata"), Intn: random(t).IntN}.Run(t)
		})
	}
}

// TestCorpusFromOutside runs the corpora that are not part of the project: all cases on all engines, and EventBridge's error
// texts to the letter.
func TestCorpusFromOutside(t *testing.T) {
	dir := os.Getenv("FRESHET_CORPUS")
	if dir == "" {
		t.Log("FRESHET_CORPUS is not set: no corpus from outside")
		return
	}
	n, messages := 0, 0
	for _, name := range []string{"patterns.jsonl.gz", "aws-validated.jsonl"} {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		before := n
		for c, err := range corpus.Read(bytes.NewReader(file)) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			n++
			for _, failure := range corpus.Run(c, matcher.Engines()...) {
				t.Error(failure)
			}
			if c.Message != "" {
				messages++
				checkMessage(t, c)
			}
		}
		if n == before {
			t.Errorf("%s holds no case", name)
		}
	}
	if messages == 0 {
		t.Error("no case had a message of EventBridge's to compare")
	}
	t.Logf("FRESHET_CORPUS: %d cases", n)
}

func checkMessage(t *testing.T, c corpus.Case) {
	t.Helper()
	_, err := matcher.Parse(c.Rules[0].Pattern)
	refused, ok := errors.AsType[*matcher.PatternError](err)
	if !ok {
		t.Errorf("%s: got %v, want a PatternError", c.ID, err)
	} else if refused.Message != c.Message {
		t.Errorf("%s: message %q, want %q", c.ID, refused.Message, c.Message)
	}
}
