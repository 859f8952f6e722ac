package broker

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestScripts runs the stories of testdata: each step is what a client does over the wire, and shows what the node answers.
//
//	start | restart | kill                       the node; kill leaves it, and goes on with what was on disk
//	advance 30s                                  turns the clock
//	topic NAME [max=N]                           creates; a subscription's pattern is its input
//	sub TOPIC/SUB [fanout | ordered] [visibility=] [attempts=] [members=(a,b)]
//	publish TOPIC [json] [report] [producer= epoch= seq=] [codec=]       an event a line, as blockOf reads them
//	take TOPIC/SUB[/MEMBER] [n=] [bytes=] [visibility=] [wait]           names receipts r1, r2, ...
//	ack | extend | release | reject RECEIPT... [by=] [after=] [reason=]
//	attach STREAM TOPIC/SUB[/MEMBER] session=X credit=N [bytes=] [received=] [visibility=] [stamp=]
//	delivery | hint | credited | end STREAM      waits for the next one, or for the stream's end
//	settle STREAM SEQ [received=]                ack | extend | release | reject a line: DELIVERY[:OFFSETS] [by=] [after=] [reason=] [unstarted]
//	credit | ping | close | break STREAM
//	read TOPIC [earliest] [offset=] [ago=]       a pattern is its input
//	counts | dead TOPIC/SUB[/MEMBER]             topics | subs TOPIC | cluster
//	call SERVICE/METHOD                          a request as JSON, for what the steps above can't say
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &story{rig: newRig(t), receipts: map[string]string{}, streams: map[string]*consumer{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.step(t, d)
		})
	})
}

// story is a node that a script uses.
type story struct {
	*rig
	receipts map[string]string
	streams  map[string]*consumer
}

func (s *story) step(t *testing.T, d *datadriven.TestData) string {
	out, err := s.run(t, d)
	if err != nil {
		return out + showError(err)
	}
	return strings.TrimRight(out, "\n") + "\n"
}

func (s *story) run(t *testing.T, d *datadriven.TestData) (string, error) {
	a := arguments{t, d}
	switch d.Cmd {
	case "start":
		s.start()
		return "serving", nil
	case "restart":
		s.stop(s.node)
		s.start()
		return "serving", nil
	case "kill":
		s.kill()
		s.start()
		return "serving", nil
	case "advance":
		s.clock.turn(a.parse(a.word(0)))
		return s.clock.Now().Sub(clockStart).String(), nil
	case "topic", "sub", "topics", "subs", "counts", "dead", "redrive", "delete", "cluster":
		return s.administer(a)
	case "publish":
		return s.publishLines(a)
	case "read":
		return s.read(a)
	case "take", "ack", "extend", "release", "reject":
		return s.receive(a)
	case "attach", "delivery", "hint", "credited", "end", "settle", "credit", "ping", "close", "break":
		return s.stream(a)
	case "call":
		return s.call(a)
	}
	t.Fatalf("%s: unknown step %q", d.Pos, d.Cmd)
	return "", nil
}

// arguments are a step's words and options.
type arguments struct {
	t *testing.T
	*datadriven.TestData
}

// word is the nth argument that stands alone.
func (a arguments) word(n int) string {
	words := a.words()
	if n >= len(words) {
		a.t.Fatalf("%s: %s wants more words", a.Pos, a.Cmd)
	}
	return words[n]
}

func (a arguments) words() (words []string) {
	for _, arg := range a.CmdArgs {
		if len(arg.Vals) == 0 {
			words = append(words, arg.Key)
		}
	}
	return words
}

func (a arguments) has(word string) bool { return slices.Contains(a.words(), word) }

func (a arguments) text(key string) string {
	if arg, ok := a.Arg(key); ok && len(arg.Vals) > 0 {
		return strings.Join(arg.Vals, ",")
	}
	return ""
}

func (a arguments) list(key string) []string {
	arg, _ := a.Arg(key)
	return arg.Vals
}

// Arg finds an option.
func (a arguments) Arg(key string) (datadriven.CmdArg, bool) {
	for _, arg := range a.CmdArgs {
		if arg.Key == key && len(arg.Vals) > 0 {
			return arg, true
		}
	}
	return datadriven.CmdArg{}, false
}

func (a arguments) number(key string) uint64 {
	text := a.text(key)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		a.t.Fatalf("%s: %s: %v", a.Pos, key, err)
	}
	return n
}

// ms is an option's duration in milliseconds.
func (a arguments) ms(key string) uint32 {
	if a.text(key) == "" {
		return 0
	}
	return uint32(a.parse(a.text(key)).Milliseconds())
}

func (a arguments) parse(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		a.t.Fatalf("%s: %v", a.Pos, err)
	}
	return d
}

// place reads TOPIC/SUB[/MEMBER].
func (a arguments) place(n int) (topic, subscription, member string) {
	parts := strings.SplitN(a.word(n), "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return parts[0], parts[1], parts[2]
}

// showError writes an error as a script shows it: code, status, message, and what else names the trouble.
func showError(err error) string {
	if errors.Is(err, io.EOF) {
		return "ended: OK\n"
	}
	s, ok := status.FromError(err)
	if !ok {
		return "error: " + err.Error() + "\n"
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == faultDomain {
			return fmt.Sprintf("%s %v: %s\n%s", info.GetReason(), s.Code(), s.Message(), showMetadata(info.GetMetadata()))
		}
	}
	return fmt.Sprintf("%v: %s\n", s.Code(), s.Message())
}

// showWireError writes an error inside a stream in the same way.
func showWireError(e *freshetv1.Error) string {
	metadata := maps.Clone(e.GetMetadata())
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata["retryable"] = strconv.FormatBool(e.GetRetryable())
	if e.GetOutcomeUnknown() {
		metadata["outcome"] = "unknown"
	}
	return fmt.Sprintf("%s: %s\n%s", reason(e.GetCode()), e.GetMessage(), showMetadata(metadata))
}

func showMetadata(metadata map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key == "retryable" && metadata[key] == "false" {
			continue
		}
		fmt.Fprintf(&b, "  %s=%s\n", key, metadata[key])
	}
	return b.String()
}
