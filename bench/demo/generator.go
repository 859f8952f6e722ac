package demo

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Generator is a Feed of a shop's events. The same seed gives the same events,
// and each is made from seed and position alone whenever it is asked for.
type Generator struct {
	seed   uint64
	events int
}

// NewGenerator makes a generator of so many events.
func NewGenerator(seed uint64, events int) *Generator {
	return &Generator{seed: seed, events: events}
}

// Len is how many events there are.
func (g *Generator) Len() int { return g.events }

// Event makes the event at a position, and asks the predicates who should get it.
func (g *Generator) Event(position int) ([]byte, SubscriptionSet) {
	made := g.at(position)
	event, err := json.Marshal(made)
	if err != nil {
		// Unreachable: the structs hold strings, whole numbers and times of
		// this century, all of which have a JSON form.
		panic(fmt.Sprintf("demo: an event of the generator has no JSON: %v", err))
	}
	var wanted SubscriptionSet
	for i, s := range shopSubscriptions {
		if s.wants(made) {
			wanted = wanted.With(i)
		}
	}
	return event, wanted
}

// Key is a lane for orders and for payments, so that what happens on one is in
// order; shipments have none.
func (g *Generator) Key(position int) string {
	switch made := g.at(position); {
	case made.order != nil:
		return made.order.Channel + "/" + made.order.Country
	case made.payment != nil:
		return made.payment.Method + "/" + made.payment.Currency
	}
	return ""
}

// Subscriptions are those of the shop.
func (g *Generator) Subscriptions() []Subscription {
	listed := make([]Subscription, len(shopSubscriptions))
	for i, s := range shopSubscriptions {
		listed[i] = s.Subscription
	}
	return listed
}

// Describe says which event is at a position.
func (g *Generator) Describe(position int) string {
	made := g.at(position)
	return fmt.Sprintf("event %d (%s, id %s)", position, made.DetailType, made.ID)
}

// shopOpens is when the first event happens; one follows every 37 ms.
var shopOpens = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)

// at makes the event at a position: 40 % orders, 35 % payments, 25 % shipments.
func (g *Generator) at(position int) *shopEvent {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], g.seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(position))
	source := rand.NewChaCha8(key)
	d := dice{Rand: rand.New(source)} //nolint:gosec // made up events are to be the same again, not secret
	event := &shopEvent{
		Version: "0", Account: "4711", Region: pick(d, "eu-central-1", "eu-west-1", "us-east-1"),
		Time: shopOpens.Add(time.Duration(position) * 37 * time.Millisecond),
	}
	// ChaCha8 never fails to read.
	event.ID = uuid.Must(uuid.NewRandomFromReader(source)).String()
	switch share := d.IntN(100); {
	case share < 40:
		d.placeOrder(event)
	case share < 75:
		d.pay(event)
	default:
		d.ship(event)
	}
	return event
}

// dice draws what an event is made of.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// percent is true in so many of a hundred cases.
func (d dice) percent(n int) bool { return d.IntN(100) < n }

func (d dice) placeOrder(event *shopEvent) {
	o := &order{
		OrderID: fmt.Sprintf("o-%07d", d.IntN(1e7)), Channel: pick(d, "web", "web", "App", "app", "store"),
		Customer: d.customer(), Country: pick(d, countries...), Currency: pick(d, "EUR", "EUR", "CHF", "PLN", "USD"), Placed: event.Time,
	}
	for range 1 + d.IntN(4) {
		one := item{SKU: d.sku(), Quantity: 1 + d.IntN(3), Price: cents(199 + d.IntN(25_000))}
		o.Items = append(o.Items, one)
		o.Amount += cents(one.Quantity) * one.Price
	}
	if d.percent(12) {
		o.Coupon = pick(d, "SPRING10", "WELCOME", "FRIENDS5")
	}
	event.Source, event.order, event.Detail = sourceOrders, o, o
	event.DetailType = pick(d, "Order Placed", "Order Placed", "Order Placed", "Order Changed", "Order Cancelled")
	event.Resources = []string{"order/" + o.OrderID}
}

func (d dice) pay(event *shopEvent) {
	p := &payment{
		PaymentID: fmt.Sprintf("p-%07d", d.IntN(1e7)), OrderID: fmt.Sprintf("o-%07d", d.IntN(1e7)),
		Method: pick(d, "card", "card", "transfer", "invoice", "wallet"), Currency: pick(d, "EUR", "CHF", "PLN", "USD"),
		Amount: cents(199 + d.IntN(120_000)), Risk: milli(d.IntN(1001)),
	}
	if p.Method == "card" {
		p.Card = &card{Brand: pick(d, "visa", "mastercard", "amex"), Country: pick(d, countries...)}
	}
	event.Source, event.payment, event.Detail = sourcePayments, p, p
	event.DetailType = pick(d, "Payment Authorized", "Payment Captured", "Payment Captured", "Payment Failed")
	if event.DetailType == "Payment Failed" {
		p.Reason = pick(d, "insufficient funds", "declined", "timed out")
	}
	event.Resources = []string{"payment/" + p.PaymentID, "order/" + p.OrderID}
}

func (d dice) ship(event *shopEvent) {
	place := d.IntN(len(cities))
	s := &shipment{
		ShipmentID: fmt.Sprintf("s-%07d", d.IntN(1e7)), OrderID: fmt.Sprintf("o-%07d", d.IntN(1e7)),
		Carrier: pick(d, "DHL", "DHL Express", "UPS", "DPD", "Post"), WeightKG: milli(50 + d.IntN(30_000)),
		Destination: destination{Country: countries[place], City: cities[place], Postcode: fmt.Sprintf("%05d", d.IntN(1e5))},
	}
	event.Source, event.shipment, event.Detail = sourceShipments, s, s
	event.DetailType = pick(d, "Shipment Dispatched", "Shipment Dispatched", "Shipment Delivered", "Shipment Delayed")
	if event.DetailType == "Shipment Delayed" {
		s.DelayHours = 1 + d.IntN(96)
	}
	event.Resources = []string{"shipment/" + s.ShipmentID}
}

// countries and cities go together.
var (
	countries = []string{"AT", "CH", "DE", "FR", "GB", "IT", "NL", "NO", "PL", "US"}
	cities    = []string{"Graz", "Zürich", "Köln", "Besançon", "Leeds", "Forlì", "Zwolle", "Tromsø", "Łódź", "Boise"}
)

func (d dice) customer() customer {
	id := d.IntN(50_000)
	return customer{ID: id, Tier: pick(d, "basic", "basic", "basic", "silver", "gold"), Email: fmt.Sprintf("c%d@example.org", id)}
}

// sku is group-kind-number: BOOK-PAPER-0815, HOME-FRAGILE-4711.
func (d dice) sku() string {
	return fmt.Sprintf("%s-%s-%04d", pick(d, "BOOK", "GAME", "HOME", "TOOL"), pick(d, "PAPER", "FRAGILE", "HEAVY", "PLAIN", "PLAIN", "PLAIN"), d.IntN(10_000))
}

// hasItem reports whether some item of the order fits.
func (o *order) hasItem(fits func(item) bool) bool { return slices.ContainsFunc(o.Items, fits) }
