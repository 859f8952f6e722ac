package demo

import (
	"slices"
	"strings"
)

// shopSubscription is a subscription to the generator's events. wants says who
// should get what, in Go and on the generator's structs: it must not ask package
// matcher, which is what the run is to find out about.
type shopSubscription struct {
	Subscription
	wants func(e *shopEvent) bool
}

// shopSubscriptions are a dozen: nine queues, of which two are ordered, three fan-outs of two members, each
// kind of pattern once.
var shopSubscriptions = []shopSubscription{
	{ // exact, in order
		Subscription{Name: "billing", Ordered: true, Pattern: `{"source":["shop.orders"],"detail-type":["Order Placed"]}`},
		func(e *shopEvent) bool { return e.Source == sourceOrders && e.DetailType == "Order Placed" },
	},
	{ // numeric
		Subscription{Name: "big-orders", Pattern: `{"detail-type":["Order Placed"],"detail":{"amount":[{"numeric":[">=",500]}]}}`},
		func(e *shopEvent) bool { return e.DetailType == "Order Placed" && e.order.Amount >= 500_00 },
	},
	{ // numeric range, over two kinds of events
		Subscription{Name: "dashboard", Members: []string{"berlin", "oslo"}, Pattern: `{"detail":{"amount":[{"numeric":[">",50,"<=",100]}]}}`},
		func(e *shopEvent) bool {
			between := func(amount cents) bool { return amount > 50_00 && amount <= 100_00 }
			return e.order != nil && between(e.order.Amount) || e.payment != nil && between(e.payment.Amount)
		},
	},
	{ // prefix
		Subscription{Name: "tracking", Members: []string{"app", "web"}, Pattern: `{"detail":{"carrier":[{"prefix":"DHL"}]}}`},
		func(e *shopEvent) bool { return e.shipment != nil && strings.HasPrefix(e.shipment.Carrier, "DHL") },
	},
	{ // suffix
		Subscription{Name: "refunds", Pattern: `{"detail-type":[{"suffix":" Cancelled"}]}`},
		func(e *shopEvent) bool { return strings.HasSuffix(e.DetailType, " Cancelled") },
	},
	{ // anything-but, with a list
		Subscription{Name: "customs", Pattern: `{"detail":{"destination":{"country":[{"anything-but":["AT","DE","FR","IT","NL","PL"]}]}}}`},
		func(e *shopEvent) bool {
			return e.shipment != nil && !slices.Contains([]string{"AT", "DE", "FR", "IT", "NL", "PL"}, e.shipment.Destination.Country)
		},
	},
	{ // exists
		Subscription{Name: "coupons", Pattern: `{"detail":{"coupon":[{"exists":true}]}}`},
		func(e *shopEvent) bool { return e.order != nil && e.order.Coupon != "" },
	},
	{ // exists: false, in order
		Subscription{Name: "cardless", Ordered: true, Pattern: `{"source":["shop.payments"],"detail":{"card":{"brand":[{"exists":false}]}}}`},
		func(e *shopEvent) bool { return e.payment != nil && e.payment.Card == nil },
	},
	{ // $or over different fields
		Subscription{Name: "fraud", Pattern: `{"$or":[{"detail":{"risk":[{"numeric":[">",0.95]}]}},{"detail-type":["Payment Failed"]}]}`},
		func(e *shopEvent) bool {
			return e.payment != nil && (e.payment.Risk > 950 || e.DetailType == "Payment Failed")
		},
	},
	{ // $or beside another field, and ignore-case
		Subscription{
			Name: "loyalty", Members: []string{"mail", "push"},
			Pattern: `{"source":["shop.orders"],"detail":{"$or":[{"customer":{"tier":["gold"]}},{"channel":[{"equals-ignore-case":"APP"}],"country":["NO"]}]}}`,
		},
		func(e *shopEvent) bool {
			return e.order != nil && (e.order.Customer.Tier == "gold" || strings.EqualFold(e.order.Channel, "app") && e.order.Country == "NO")
		},
	},
	{ // wildcard, and two fields of one array's element
		Subscription{Name: "packing", Pattern: `{"detail":{"items":{"sku":[{"wildcard":"*-FRAGILE-*"}],"quantity":[{"numeric":[">",1]}]}}}`},
		func(e *shopEvent) bool {
			return e.order != nil && e.order.hasItem(func(i item) bool { return strings.Contains(i.SKU, "-FRAGILE-") && i.Quantity > 1 })
		},
	},
	{ // no pattern: everything
		Subscription{Name: "archive"},
		func(*shopEvent) bool { return true },
	},
}
