package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configBytesMax bounds a configuration file. Real ones have a thousandth of it.
const configBytesMax = 1 << 20

// loadConfig puts a configuration together: flag before environment before
// file before default. path may be empty: no file. flags holds the values of
// those flags that given names.
func loadConfig(path string, flags *config, given map[string]bool, around surroundings) (*config, []*setting, error) {
	loaded := new(config)
	all, fromFlags := settings(loaded), settings(flags)
	written, err := readConfigFile(path, around.stdin, all)
	if err != nil {
		return nil, nil, err
	}
	for i, s := range all {
		text, origin := s.field.Tag.Get("fallback"), "default"
		if line, ok := written[s.key]; ok {
			text, origin = line.text, fmt.Sprintf("file %s:%d", path, line.number)
		}
		if value, ok := around.lookup(s.env()); ok && value != "" {
			text, origin = value, "env "+s.env()
		}
		if given[s.flag()] {
			text, origin = fromFlags[i].text(), "flag --"+s.flag()
		}
		if text == "" && origin == "default" {
			s.origin = "default" // and empty: its type may have no text for that
			continue
		}
		if err := s.set(text, origin); err != nil {
			return nil, nil, err
		}
	}
	return loaded, all, checkConfig(loaded, all)
}

// checkConfig refuses what can't be run, key by key.
func checkConfig(c *config, all []*setting) error {
	for _, s := range all {
		if needed(s) && s.text() == "" {
			return usageFailure(s.key+" isn't set", fmt.Sprintf("it has no default: say it with --%s, with %s, or in the file", s.flag(), s.env())).
				trying(fmt.Sprintf("freshet serve --%s %s", s.flag(), "/var/lib/freshet"))
		}
	}
	for _, bound := range []struct {
		key    string
		within bool
		wants  string
	}{
		{"node", nameForm.MatchString(c.Node), "1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first"},
		{"cluster.name", nameForm.MatchString(c.Cluster.Name), "1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first"},
		{"cluster.partitions", c.Cluster.Partitions <= partitionsMax, "1 to 256"},
		{"log.size", c.Log.Size >= 16<<20, "at least 16MiB"},
		{"log.segment", c.Log.Segment >= 1<<20 && c.Log.Segment <= 1<<30, "1MiB to 1GiB"},
		{"defaults.visibility", c.Defaults.Visibility >= duration(time.Second) && c.Defaults.Visibility <= duration(12*time.Hour), "1s to 12h"},
		{"defaults.attempts", c.Defaults.Attempts <= 1000, "1 to 1000"},
		{"defaults.event_bytes_max", c.Defaults.EventBytesMax >= 1 && c.Defaults.EventBytesMax <= eventBytesMax, "1B to 1MiB"},
	} {
		if !bound.within {
			s := all[slices.IndexFunc(all, func(s *setting) bool { return s.key == bound.key })]
			return usageFailure(fmt.Sprintf("%s wants %s, got %q", s.key, bound.wants, s.text()), "from "+s.origin)
		}
	}
	if err := checkPeers(c, all); err != nil {
		return err
	}
	return checkListens(c)
}

// nameForm is what names of nodes, topics and subscriptions look like.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func checkListens(c *config) error {
	if err := checkListen("listen.api", c.Listen.API, c.Insecure); err != nil {
		return err
	}
	if len(c.Cluster.Peers) > 0 {
		if err := checkListen("listen.peer", c.peerListen(), c.Insecure); err != nil {
			return err
		}
	}
	if c.Listen.Admin == adminOff {
		return nil
	}
	if host, _, err := net.SplitHostPort(c.Listen.Admin); err == nil && !isLoopback(host) {
		return usageFailure(fmt.Sprintf("listen.admin %q is open to other machines", c.Listen.Admin),
			"it shows the inside of the process and asks nobody who they are, so it stays on loopback")
	}
	return checkListen("listen.admin", c.Listen.Admin, true)
}

// adminOff is the listen.admin that listens nowhere.
const adminOff = "off"

func needed(s *setting) bool {
	_, ok := s.field.Tag.Lookup("needed")
	return ok
}

// checkListen wants an address that can be listened on, and loopback unless
// somebody has said that the open is meant.
func checkListen(key, address string, insecure bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usageFailure(fmt.Sprintf("%s wants HOST:PORT, got %q", key, address))
	}
	if insecure || isLoopback(host) {
		return nil
	}
	refused := usageFailure(fmt.Sprintf("%s %q is open to other machines", key, address),
		"this release has neither TLS nor users: whoever reaches the port may do everything",
		"if the network keeps strangers away, say insecure: true (--insecure, FRESHET_INSECURE=true)")
	return refused
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fileLine is what a file says of one key.
type fileLine struct {
	text   string
	number int
}

// readConfigFile returns what the file says, by key. A key that isn't known
// ends it, with file, line and the nearest key.
func readConfigFile(path string, stdin io.Reader, known []*setting) (map[string]fileLine, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readInput(path, stdin, configBytesMax)
	if err != nil {
		return nil, err
	}
	reader := &configReader{path: path, written: map[string]fileLine{}}
	for _, s := range known {
		reader.keys = append(reader.keys, s.key)
		if s.value.Kind() == reflect.Slice {
			reader.lists = append(reader.lists, s.key)
		}
	}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		number, said := 0, err.Error()
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			number, said = syntax.GetToken().Position.Line, syntax.GetMessage()
		}
		return nil, usageFailure(fmt.Sprintf("%s:%d isn't valid YAML", path, number), said)
	}
	if len(parsed.Docs) > 1 {
		return nil, usageFailure(fmt.Sprintf("%s holds %d documents, a configuration is one", path, len(parsed.Docs)))
	}
	for _, document := range parsed.Docs {
		if document.Body == nil || document.Body.Type() == ast.NullType || document.Body.Type() == ast.CommentType {
			continue
		}
		if err := reader.group("", document.Body); err != nil {
			return nil, err
		}
	}
	return reader.written, nil
}

// configReader walks a file's YAML.
type configReader struct {
	path    string
	keys    []string // every leaf's
	lists   []string // of those that may be a sequence
	written map[string]fileLine
}

func (r *configReader) refuse(node ast.Node, format string, args ...any) *failure {
	return usageFailure(fmt.Sprintf("%s:%d: ", r.path, lineOf(node)) + fmt.Sprintf(format, args...))
}

func lineOf(node ast.Node) int { return node.GetToken().Position.Line }

// group reads a mapping whose keys begin with prefix ("listen.").
func (r *configReader) group(prefix string, node ast.Node) error {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		what := "a configuration"
		if prefix != "" {
			what = strings.TrimSuffix(prefix, ".")
		}
		return r.refuse(node, "%s wants keys below it, such as %s", what, r.below(prefix)[0])
	}
	for entries := mapping.MapRange(); entries.Next(); {
		if err := r.entry(prefix, entries.KeyValue()); err != nil {
			return err
		}
	}
	return nil
}

func (r *configReader) entry(prefix string, entry *ast.MappingValueNode) error {
	key := prefix + entry.Key.GetToken().Value
	if why, ok := notYet[key]; ok {
		refused := r.refuse(entry.Key, "%s isn't in this release", key)
		refused.code, refused.seen = codeUnsupported, []string{why}
		return refused
	}
	if len(r.below(key+".")) > 0 {
		return r.group(key+".", entry.Value)
	}
	if !slices.Contains(r.keys, key) {
		refused := r.refuse(entry.Key, "unknown key %q", key)
		near := closest(key, r.names())
		if siblings := r.below(prefix); near == "" && len(siblings) == 1 {
			near = siblings[0]
		}
		if near != "" {
			refused.seen = append(refused.seen, fmt.Sprintf("closest: %q", near))
		} else {
			refused.seen = append(refused.seen, "known are: "+strings.Join(r.keys, ", "))
		}
		return refused
	}
	if _, twice := r.written[key]; twice {
		return r.refuse(entry.Key, "%s stands there twice", key)
	}
	if list, ok := entry.Value.(*ast.SequenceNode); ok && slices.Contains(r.lists, key) {
		return r.list(key, entry, list)
	}
	scalar, ok := entry.Value.(ast.ScalarNode)
	if !ok || entry.Value.Type() == ast.NullType {
		return r.refuse(entry.Key, "%s wants a value, got %s", key, entry.Value.Type().YAMLName())
	}
	r.written[key] = fileLine{text: scalar.GetToken().Value, number: lineOf(entry.Key)}
	return nil
}

// list reads a sequence of scalars, as if they stood in one with commas between.
func (r *configReader) list(key string, entry *ast.MappingValueNode, list *ast.SequenceNode) error {
	var parts []string
	for _, value := range list.Values {
		text, ok := listed(value)
		if !ok {
			return r.refuse(value, "%s wants a list of values, got %s in it", key, value.Type().YAMLName())
		}
		parts = append(parts, text)
	}
	r.written[key] = fileLine{text: strings.Join(parts, ","), number: lineOf(entry.Key)}
	return nil
}

// listed is one value of a list. Within {...} the parser takes a:b in a list for a mapping of one key, although without a space it is text.
func listed(value ast.Node) (text string, ok bool) {
	if scalar, ok := value.(ast.ScalarNode); ok && value.Type() != ast.NullType {
		return scalar.GetToken().Value, true
	}
	mapping, ok := value.(*ast.MappingNode)
	if !ok || mapping.IsFlowStyle || len(mapping.Values) != 1 {
		return "", false
	}
	entry := mapping.Values[0]
	if entry.Value.GetToken().Position.Offset != entry.Start.Position.Offset+1 {
		return "", false
	}
	rest, ok := listed(entry.Value)
	return entry.Key.GetToken().Value + ":" + rest, ok
}

// below lists the leaves whose keys begin with prefix.
func (r *configReader) below(prefix string) []string {
	var found []string
	for _, key := range r.keys {
		if strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
	}
	return found
}

// names are all keys, and the groups that they stand in.
func (r *configReader) names() []string {
	names := slices.Clone(r.keys)
	for _, key := range r.keys {
		if group, _, ok := strings.Cut(key, "."); ok && !slices.Contains(names, group) {
			names = append(names, group)
		}
	}
	return names
}
