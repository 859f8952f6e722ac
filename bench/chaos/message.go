package chaos

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// message is an event of a round, as its JSON has it.
type message struct {
	Source string `json:"source"`
	Kind   string `json:"detail-type"`
	Detail struct {
		Message uint64 `json:"message"`
		Half    string `json:"half"`
		Rest    int    `json:"rest"`
		Padding string `json:"padding"`
	} `json:"detail"`
}

// keysOf is how many keys events have, besides none.
const keysOf = 40

// messageOf makes the event of a number.
func messageOf(number uint64) (m message, e client.Event, key uint32) {
	m.Source, m.Kind = "chaos.load", "Tick"
	m.Detail.Message, m.Detail.Rest = number, int(number%10)
	m.Detail.Half = "even"
	if number%2 == 1 {
		m.Detail.Half = "odd"
	}
	m.Detail.Padding = strings.Repeat("x", int(number*7919%300))
	text, err := json.Marshal(m)
	if err != nil {
		panic("chaos: an event has no JSON: " + err.Error()) // strings and numbers always have
	}
	e = client.EventFromJSON(text)
	if key = uint32(number * 2654435761 % (keysOf + 10)); key > keysOf {
		key = 0
	}
	if key != 0 {
		e.Key = fmt.Sprintf("key-%d", key)
	}
	return m, e, key
}

// numberOf is the number in an event's bytes; 0: there is none.
func numberOf(data []byte) history.Message {
	var m message
	if json.Unmarshal(data, &m) != nil {
		return 0
	}
	return history.Message(m.Detail.Message)
}

// digestOf is of an event's bytes and its key.
func digestOf(e *client.Event) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(e.Data) // a hash takes everything
	_, _ = hash.Write([]byte{0})
	_, _ = hash.Write([]byte(e.Key))
	return hash.Sum64()
}
