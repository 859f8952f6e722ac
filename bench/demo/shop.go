package demo

import (
	"strconv"
	"time"
)

// The events of a shop, as EventBridge's envelope holds them: an order is placed,
// changed or cancelled, a payment follows, then a shipment. Predicates beside
// the patterns (shop_subscriptions.go) look at these structs, patterns at their
// JSON.

// The sources, and the last words of the detail-types.
const (
	sourceOrders    = "shop.orders"
	sourcePayments  = "shop.payments"
	sourceShipments = "shop.shipments"
)

// shopEvent is one event: the envelope, and one of three details.
type shopEvent struct {
	Version    string    `json:"version"`
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"` //nolint:tagliatelle // EventBridge's name
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
	Resources  []string  `json:"resources"`
	Detail     any       `json:"detail"`

	// One of them is Detail, the others are nil.
	order    *order
	payment  *payment
	shipment *shipment
}

type order struct {
	OrderID  string    `json:"order_id"`
	Channel  string    `json:"channel"`
	Customer customer  `json:"customer"`
	Country  string    `json:"country"`
	Currency string    `json:"currency"`
	Amount   cents     `json:"amount"`
	Coupon   string    `json:"coupon,omitempty"`
	Items    []item    `json:"items"`
	Placed   time.Time `json:"placed"`
}

type customer struct {
	ID    int    `json:"id"`
	Tier  string `json:"tier"`
	Email string `json:"email"`
}

type item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Price    cents  `json:"price"`
}

type payment struct {
	PaymentID string `json:"payment_id"`
	OrderID   string `json:"order_id"`
	Method    string `json:"method"`
	Currency  string `json:"currency"`
	Amount    cents  `json:"amount"`
	// Card is there when the method is card.
	Card *card `json:"card,omitempty"`
	Risk milli `json:"risk"`
	// Reason is there when the payment failed.
	Reason string `json:"reason,omitempty"`
}

type card struct {
	Brand   string `json:"brand"`
	Country string `json:"country"`
}

type shipment struct {
	ShipmentID  string      `json:"shipment_id"`
	OrderID     string      `json:"order_id"`
	Carrier     string      `json:"carrier"`
	WeightKG    milli       `json:"weight_kg"`
	Destination destination `json:"destination"`
	// DelayHours is there when the shipment is late.
	DelayHours int `json:"delay_hours,omitempty"`
}

type destination struct {
	Country  string `json:"country"`
	City     string `json:"city"`
	Postcode string `json:"postcode"`
}

// cents is an amount of money; JSON has it in whole units with two decimals.
type cents int64

// MarshalJSON writes 1250 as 12.50.
func (c cents) MarshalJSON() ([]byte, error) { return fixedPoint(int64(c), 2), nil }

// milli is a thousandth of something.
type milli int64

// MarshalJSON writes 1250 as 1.250.
func (m milli) MarshalJSON() ([]byte, error) { return fixedPoint(int64(m), 3), nil }

// fixedPoint writes n, which is not negative, with so many decimals.
func fixedPoint(n int64, decimals int) []byte {
	digits := strconv.FormatInt(n, 10)
	for len(digits) <= decimals {
		digits = "0" + digits
	}
	point := len(digits) - decimals
	return []byte(digits[:point] + "." + digits[point:])
}
