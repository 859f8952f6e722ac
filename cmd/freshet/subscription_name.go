package main

import (
	"fmt"
	"strings"
)

// subscriptionName is a topic and a subscription on it, as commands take them:
// TOPIC/NAME in one word, or TOPIC NAME in two.
type subscriptionName struct{ topic, name string }

func (n subscriptionName) String() string { return n.topic + "/" + n.name }

// nameOf puts the words together. verb is the command, for the example.
func nameOf(verb, first, second string) (subscriptionName, error) {
	topic, name, slash := strings.Cut(first, "/")
	switch {
	case slash && second != "":
		return subscriptionName{}, usageFailure(fmt.Sprintf("a subscription is TOPIC/NAME or TOPIC NAME, got %q and %q", first, second)).
			trying(fmt.Sprintf("freshet %s %s", verb, shellQuote(first)))
	case !slash:
		name = second
	}
	if topic == "" || name == "" {
		return subscriptionName{}, usageFailure(fmt.Sprintf("a subscription is TOPIC/NAME, got %q", strings.TrimSpace(first+" "+second))).
			trying("freshet sub list " + shellQuote(topic))
	}
	return subscriptionName{topic: topic, name: name}, nil
}
