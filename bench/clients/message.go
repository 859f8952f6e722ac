package clients

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// message is an event of a run, as its JSON has it.
type message struct {
	Source string `json:"source"`
	Kind   string `json:"detail-type"`
	Detail struct {
		Message uint64 `json:"message"`
		Half    string `json:"half"`
		Rest    int    `json:"rest"`
		// Due is not before when it may be delivered, in milliseconds since 1970; 0: at once.
		Due     int64  `json:"due"`
		Padding string `json:"padding"`
	} `json:"detail"`
}

const (
	// keyRate is about how many events of a key are published a second: an ordered queue takes one after the other, also when that takes long.
	keyRate = 12
	keysMin = 2
	// One event in keylessOf has no key; of those, one in delayedOf is to be delivered later, by up to delayMax.
	keylessOf = 5
	delayedOf = 4
	delayMax  = 4 * time.Second
	// paddingMax is what events differ in length by.
	paddingMax = 700
)

// messageOf makes the event of a number, with one of so many keys, from 1 on, or none: 0.
func messageOf(number uint64, keys int) (m message, e client.Event, key uint32) {
	drawn := number * 0x9e3779b97f4a7c15 >> 20
	m.Source, m.Kind = "load.ticker", "Tick"
	m.Detail.Message, m.Detail.Rest = number, int(number%10)
	m.Detail.Half = "even"
	if number%2 == 1 {
		m.Detail.Half = "odd"
	}
	m.Detail.Padding = strings.Repeat("x", int(drawn%paddingMax))
	if mixed := drawn / paddingMax; mixed%keylessOf != 0 {
		key = 1 + uint32(mixed/keylessOf%uint64(keys))
	}
	var due time.Time
	if key == 0 && drawn%delayedOf == 0 {
		due = time.Now().Add(time.Duration(drawn%1000) * delayMax / 1000).Truncate(time.Millisecond)
		m.Detail.Due = due.UnixMilli()
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic("clients: an event has no JSON: " + err.Error()) // strings and numbers always have
	}
	e = client.EventFromJSON(text)
	e.DeliverAt = due
	if key != 0 {
		e.Key = fmt.Sprintf("key-%d", key)
	}
	return m, e, key
}

// keys is how many keys a run's events have.
func (c *Clients) keys() int { return max(keysMin, c.Rate/keyRate) }

// read takes an event's bytes apart. What isn't a message has the number 0.
func read(data []byte) (m message) {
	if json.Unmarshal(data, &m) != nil {
		return message{}
	}
	return m
}

// digestOf is of an event's bytes and its key.
func digestOf(e *client.Event) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(e.Data) // a hash takes everything
	_, _ = hash.Write([]byte{0})
	_, _ = hash.Write([]byte(e.Key))
	return hash.Sum64()
}

// numberOf is the number in an event's bytes.
func numberOf(data []byte) history.Message { return history.Message(read(data).Detail.Message) }
