package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// retention is what a topic keeps besides what isn't settled, as people write it: settled,
// 168h, 100GiB, or a time and a size with a comma between them.
type retention struct {
	age   duration
	bytes size
}

// Limits of it, as the node has them.
const (
	retentionAgeMin  = time.Second
	retentionAgeMax  = 3_650 * 24 * time.Hour
	retentionSizeMin = 1 << 20
)

// UnmarshalText reads "168h".
func (r *retention) UnmarshalText(text []byte) error {
	*r = retention{}
	if string(text) == "settled" {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		if err := r.add(strings.TrimSpace(part)); err != nil {
			return fmt.Errorf("wants settled, a time such as 168h, a size such as 100GiB, or both with a comma, got %q", text)
		}
	}
	switch age := time.Duration(r.age); {
	case r.age != 0 && age < retentionAgeMin, age > retentionAgeMax:
		return fmt.Errorf("wants a time of 1s to 3650d, got %s", r.age)
	case r.bytes != 0 && r.bytes < retentionSizeMin:
		return fmt.Errorf("wants a size of at least 1MiB, got %s", r.bytes)
	}
	return nil
}

// add takes a time or a size, each once and not zero.
func (r *retention) add(part string) error {
	var age duration
	if err := age.UnmarshalText([]byte(part)); err == nil && age > 0 && r.age == 0 {
		r.age = age
		return nil
	}
	var bytes size
	if err := bytes.UnmarshalText([]byte(part)); err != nil || bytes == 0 || r.bytes != 0 || !strings.HasSuffix(part, "B") {
		return fmt.Errorf("neither a time nor a size: %q", part)
	}
	r.bytes = bytes
	return nil
}

// String is the form that reads back as the same.
func (r retention) String() string {
	var parts []string
	if r.age > 0 {
		parts = append(parts, r.age.String())
	}
	if r.bytes > 0 {
		parts = append(parts, r.bytes.String())
	}
	if len(parts) == 0 {
		return "settled"
	}
	return strings.Join(parts, ",")
}

// retentionAnswer is a topic's retention for programs.
type retentionAnswer struct {
	AgeMS int64 `json:"age_ms,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	Drop  bool  `json:"drop,omitempty"`
}

func retentionAnswerOf(r client.Retention) *retentionAnswer {
	if r == (client.Retention{}) {
		return nil
	}
	return &retentionAnswer{AgeMS: r.Age.Milliseconds(), Bytes: r.Bytes, Drop: r.Drop}
}

// retentionText is a topic's retention for people.
func retentionText(r client.Retention) string {
	text := retention{age: duration(r.Age), bytes: size(r.Bytes)}.String()
	if r.Drop {
		text += ", dropping"
	}
	return text
}
