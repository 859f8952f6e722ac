package client

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// nameBytesMax bounds the names of topics, subscriptions and members.
const nameBytesMax = 128

// checkName refuses what can't be the name of a topic or a subscription, with the node's own words.
func checkName(field, name string) error {
	if name == "" || len(name) > nameBytesMax {
		return nameError(field, fmt.Sprintf("%s name has %d bytes: 1 to %d are possible", field, len(name), nameBytesMax))
	}
	for i := range len(name) {
		c := name[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return nameError(field, fmt.Sprintf("%s name %q has %q at byte %d: A-Z a-z 0-9 . _ - are possible, and a letter or a digit first", field, name, c, i))
		}
	}
	return nil
}

func nameError(field, message string) error {
	return &Error{Code: CodeNameRefused, Message: message, Metadata: map[string]string{"field": field}}
}

// checkMember refuses what can't be a fan-out's member.
func checkMember(member string) error {
	if member == "" || len(member) > nameBytesMax || !utf8.ValidString(member) {
		return nameError("member", fmt.Sprintf("member %q has %d bytes: 1 to %d of UTF-8 are possible", member, len(member), nameBytesMax))
	}
	return nil
}

// subscriptionName is a subscription's full name taken apart.
type subscriptionName struct {
	topic, subscription string
	member              string // of a fan-out; empty for a queue
}

// parseSubscription takes "topic/subscription" apart.
func parseSubscription(full string) (subscriptionName, error) {
	topic, subscription, found := strings.Cut(full, "/")
	if !found {
		return subscriptionName{}, nameError("subscription", fmt.Sprintf("subscription %q has no slash: its full name is \"topic/subscription\"", full))
	}
	if err := checkName("topic", topic); err != nil {
		return subscriptionName{}, err
	}
	if err := checkName("subscription", subscription); err != nil {
		return subscriptionName{}, err
	}
	return subscriptionName{topic: topic, subscription: subscription}, nil
}
