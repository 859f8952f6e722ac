package match

import (
	"fmt"
	"math/rand/v2"

	"github.com/freshet-mq/freshet/matcher"
)

// rulesPerSource is how many rules name one source; about half of them match an event from it.
const rulesPerSource = 10

// sourcesMin keeps small sets from having all their rules on one source.
const sourcesMin = 4

// workload makes rules and events of one another's kind.
type workload struct {
	draw    *rand.Rand
	sources int
}

func newWorkload(rules int, seed uint64) *workload {
	return &workload{draw: rand.New(rand.NewPCG(seed, uint64(rules))), sources: max(sourcesMin, rules/rulesPerSource)} //nolint:gosec // a workload, from a seed
}

// pattern is the text of a rule: 60 % exact source and detail-type, 15 % numeric, 10 % prefix, 5 % anything-but, 5 % wildcard, 5 %
// exists. Every rule names a source.
func (w *workload) pattern() string {
	source := fmt.Sprintf(`"source":["com.shop.service-%05d"]`, w.draw.IntN(w.sources))
	either := w.draw.IntN(2)
	switch kind := w.draw.IntN(20); {
	case kind < 12:
		return fmt.Sprintf(`{%s,"detail-type":[%q]}`, source, detailTypes[either])
	case kind < 15:
		return fmt.Sprintf(`{%s,"detail":{"amount":[{"numeric":[">=",%d,"<",%d]}]}}`, source, 500*either, 500*either+w.draw.IntN(500)+1)
	case kind < 17:
		return fmt.Sprintf(`{%s,"detail":{"order":[{"prefix":"order-%d"}]}}`, source, w.draw.IntN(4))
	case kind < 18:
		return fmt.Sprintf(`{%s,"detail":{"state":[{"anything-but":[%q]}]}}`, source, states[w.draw.IntN(len(states))])
	case kind < 19:
		return fmt.Sprintf(`{%s,"detail":{"path":[{"wildcard":"/srv/*/%d*.log"}]}}`, source, either)
	default:
		return fmt.Sprintf(`{%s,"detail":{"coupon":[{"exists":%t}]}}`, source, either == 0)
	}
}

var (
	detailTypes = []string{"Order Created", "Order Cancelled"}
	states      = []string{"new", "paid", "packed", "shipped"}
)

// event is in EventBridge's envelope, of about so many bytes; 380 is the least.
func (w *workload) event(number, size int) matcher.Event {
	text := fmt.Appendf(nil, `{"version":"0","id":"0198e3a1-7c5e-7b11-9d55-%012x","detail-type":%q,"source":"com.shop.service-%05d","account":"123456789012","time":"2026-01-20T10:%02d:%02dZ","region":"eu-central-1","resources":["arn:aws:shop:order/%d"],"detail":{"order":"order-%d%07d","amount":%d.%02d,"state":%q,"path":"/srv/%s/%d%d.log"`,
		number, detailTypes[w.draw.IntN(2)], w.draw.IntN(w.sources), number%60, w.draw.IntN(60), number, w.draw.IntN(4), number,
		w.draw.IntN(1000), w.draw.IntN(100), states[w.draw.IntN(len(states))], states[w.draw.IntN(len(states))], w.draw.IntN(2), number)
	if w.draw.IntN(2) == 0 {
		text = append(text, `,"coupon":"winter"`...)
	}
	for line := 0; len(text)+2 < size-lineBytes/2; line++ {
		text = fmt.Appendf(text, `,"line-%d":{"sku":"sku-%06d","quantity":%d}`, line, w.draw.IntN(1_000_000), 1+w.draw.IntN(9))
	}
	return matcher.Event{JSON: append(text, `}}`...)}
}

// lineBytes is how long a line of an order is, about.
const lineBytes = 43
