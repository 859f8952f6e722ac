package matcher_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// onePath are kinds of rules of which a set may have many at one path, each with a value that few of them are about.
var onePath = []struct {
	name  string
	rule  func(i int) string
	event string
}{
	{"texts", func(i int) string { return fmt.Sprintf(`{"a":["value-%d"]}`, i) }, `{"a":"value-77"}`},
	{"numbers", func(i int) string { return fmt.Sprintf(`{"a":[%d.5]}`, i) }, `{"a":77.5}`},
	{"ranges", func(i int) string { return fmt.Sprintf(`{"a":[{"numeric":[">=",%d,"<",%d]}]}`, i, i+3) }, `{"a":77}`},
	{"prefixes", func(i int) string { return fmt.Sprintf(`{"a":[{"prefix":"value-%d/"}]}`, i) }, `{"a":"value-77/x"}`},
	{"long prefixes", func(i int) string {
		return fmt.Sprintf(`{"a":[{"prefix":"arn:aws:s3:::one-bucket-for-all-of-us-in-production/tenant-%05d/"}]}`, i)
	}, `{"a":"arn:aws:s3:::one-bucket-for-all-of-us-in-production/tenant-00077/inbox/1.json"}`},
	{"suffixes", func(i int) string { return fmt.Sprintf(`{"a":[{"suffix":"/%05d/of/the/very/same/name.json"}]}`, i) }, `{"a":"/x/00077/of/the/very/same/name.json"}`},
	{"wildcards", func(i int) string { return fmt.Sprintf(`{"a":[{"wildcard":"/srv/app/*/%d-*.log"}]}`, i) }, `{"a":"/srv/app/one/77-x.log"}`},
	{"ignoring case", func(i int) string { return fmt.Sprintf(`{"a":[{"equals-ignore-case":"Value-%d"}]}`, i) }, `{"a":"VALUE-77"}`},
	{"ignoring case beyond ASCII", func(i int) string {
		return fmt.Sprintf(`{"a":[{"equals-ignore-case":"%cÄÖÜ größe %c"}]}`, 'Ա'+rune(i%38), 'Ａ'+rune(i/38))
	}, `{"a":"ԴÄÖü grÖße Ｃ"}`},
	{"prefixes in any case", func(i int) string { return fmt.Sprintf(`{"a":[{"prefix":{"equals-ignore-case":"Größe-%d/"}}]}`, i) }, `{"a":"gröSSe-77/x"}`},
	{"addresses", func(i int) string { return fmt.Sprintf(`{"a":[{"cidr":"10.%d.%d.0/24"}]}`, i/256, i%256) }, `{"a":"10.0.77.1"}`},
	{"anything but", func(i int) string { return fmt.Sprintf(`{"a":[{"anything-but":["value-%d"]}]}`, i) }, `{"a":"value-77"}`},
	{"anything but, and a source", func(i int) string { return fmt.Sprintf(`{"a":[{"anything-but":["value-%d"]}],"source":["s"]}`, i) }, `{"a":"value-77","source":"t"}`},
	{"exists", func(i int) string { return fmt.Sprintf(`{"a":[{"exists":true}],"b":["value-%d"]}`, i) }, `{"a":1,"b":"value-77"}`},
	{"a value or none", func(i int) string { return fmt.Sprintf(`{"a":["value-%d",{"exists":false}]}`, i) }, `{"a":"value-77"}`},
	{"none", func(i int) string { return fmt.Sprintf(`{"a":[{"exists":false}],"b":["value-%d"]}`, i) }, `{"b":"value-77"}`},
}

// TestOnePath puts many rules of a kind at one path, and holds the compiled engine against the plain one, before and after half of
// them are gone.
func TestOnePath(t *testing.T) {
	for _, c := range onePath {
		t.Run(c.name, func(t *testing.T) {
			compiled, plain := matcher.Compiled.NewSet(), matcher.Plain.NewSet()
			for i := range 400 {
				for _, set := range []matcher.Set{compiled, plain} {
					if err := set.Add(uint32(i), parse(t, c.rule(i))); err != nil {
						t.Fatal(err)
					}
				}
			}
			list := strings.Replace(c.event, `"a":`, `"a":[{"x":1},`, 1)
			list = strings.Replace(list, `"}`, `"]}`, 1)
			var got, want matcher.Matches
			for round := range 2 {
				for _, event := range []string{c.event, list, `{"a":"other"}`, `{"a":[]}`, `{"a":[[1],["value-77"]],"b":"value-77"}`, `{"a":null,"source":"s"}`} {
					block := []matcher.Event{{JSON: []byte(event)}}
					compiled.Snapshot().MatchBlock(block, &got)
					plain.Snapshot().MatchBlock(block, &want)
					if !reflect.DeepEqual(got.Rules(), want.Rules()) {
						t.Errorf("%s: %d rules match, want %d", event, len(got.Rules()), len(want.Rules()))
					}
					if event == c.event && round == 0 && len(want.Rules()) == 0 && c.name != "anything but, and a source" {
						t.Error("no rule matches: the test says little")
					}
				}
				for i := range 400 {
					if i%77 != 0 {
						compiled.Remove(uint32(i))
						plain.Remove(uint32(i))
					}
				}
			}
		})
	}
}
