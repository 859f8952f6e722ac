package main

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzConfig: a configuration file is refused with a sentence, or read; and what was read, said again through the environment, setting by setting, is read as
// the same.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"",
		"node: n1\ndata: /var/lib/freshet\n",
		"node: n1\ndata: d\ncluster: {name: c, partitions: 4, peers: [n1=h1:1, n2=h2:1, n3=h3:1]}\nlisten: {api: h1:7600, peer: h1:1}\n",
		"node: n1\ndata: d\nlog:\n  size: 1GiB\n  segment: 64MiB\ndefaults:\n  visibility: 30s\n  retention: 1h\n  attempts: 5\n",
		"node: [n1\n", "node: n1\nnode: n2\n", "a: &a [*a]\n", "? x\n", "node: !!binary aa\n", "---\n---\n", "{node: n1, data: d, insecure: yes}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		silent := func(string) (string, bool) { return "", false }
		_, read, err := loadConfig("-", new(config), nil, surroundings{stdin: bytes.NewReader(text), lookup: silent})
		if err != nil {
			if refused, ok := errors.AsType[*failure](err); !ok || refused.Error() == "" {
				t.Fatalf("refused with %#v", err)
			}
			return
		}
		said := map[string]string{}
		for _, s := range read {
			said[s.env()] = s.text()
		}
		lookup := func(name string) (string, bool) { value, ok := said[name]; return value, ok }
		_, again, err := loadConfig("", new(config), nil, surroundings{lookup: lookup})
		if err != nil {
			t.Fatalf("what was read from %q is refused: %v", text, err)
		}
		for i, s := range again {
			if s.text() != read[i].text() {
				t.Fatalf("%s is %q, and said again %q", s.key, read[i].text(), s.text())
			}
		}
	})
}
