package client

// DeadLetterOption narrows down which dead letters are meant. Several narrow it down further.
type DeadLetterOption func(*deadLetterChoice)

// deadLetterChoice is what options make of nothing.
type deadLetterChoice struct {
	fromPartition *uint32 // nil: the first
	from          uint64
	reason        DeadReason
	pattern       string
	key           string
	offsets       map[uint32][]uint64 // by partition; nil: any
	named         int                 // of offsets
	most          int
	rate          float64
	dryRun        bool
	err           error
}

// WithDeadReason means those that died for a reason. Default: any.
func WithDeadReason(reason DeadReason) DeadLetterOption {
	return func(c *deadLetterChoice) { c.reason = reason }
}

// WithDeadPattern means those that match an event pattern, JSON text of at most 64 KiB. Default: any.
func WithDeadPattern(pattern string) DeadLetterOption {
	return func(c *deadLetterChoice) { c.pattern = pattern }
}

// WithDeadKey means those of a key. Default: any.
func WithDeadKey(key string) DeadLetterOption { return func(c *deadLetterChoice) { c.key = key } }

// WithDeadFrom means those at an offset of a partition and behind it, those of the partitions with higher numbers too. Redrive and DeadLetters go through
// partitions by number, and through each by offset. Default: all.
func WithDeadFrom(partition uint32, offset uint64) DeadLetterOption {
	return func(c *deadLetterChoice) { c.fromPartition, c.from = &partition, offset }
}

// WithDeadOffsets means those at offsets of a partition; it may be given several times, for at most 1,000 offsets in all. Redrive alone listens to it, and not
// to WithDeadFrom then. Default: all.
func WithDeadOffsets(partition uint32, offsets ...uint64) DeadLetterOption {
	return func(c *deadLetterChoice) {
		if c.offsets == nil {
			c.offsets = map[uint32][]uint64{}
		}
		c.offsets[partition] = append(c.offsets[partition], offsets...)
		if c.named += len(offsets); c.named > deadOffsetsMax {
			c.err = limitError("offsets", deadOffsetsMax, int64(c.named), "more offsets than one call can name")
		}
	}
}

// WithDeadMost means the first so many. Default: all.
func WithDeadMost(n int) DeadLetterOption { return func(c *deadLetterChoice) { c.most = n } }

// WithDeadRate redrives so many events a second. Redrive alone listens to it. Default: as fast as it goes.
func WithDeadRate(eventsPerSecond float64) DeadLetterOption {
	return func(c *deadLetterChoice) { c.rate = eventsPerSecond }
}

// WithDeadDryRun has Redrive count what it would redrive, and change nothing.
func WithDeadDryRun() DeadLetterOption { return func(c *deadLetterChoice) { c.dryRun = true } }

const (
	// deadOffsetsMax is how many offsets one request names.
	deadOffsetsMax = 1_000
	// redriveStep is how many dead letters one request redrives.
	redriveStep = 1_000
)

func deadChoice(options []DeadLetterOption) (c deadLetterChoice, err error) {
	for _, o := range options {
		o(&c)
	}
	switch {
	case c.err != nil:
		return c, c.err
	case c.most < 0:
		return c, argumentError("max", "%d dead letters: at least 0 are possible", c.most)
	case c.rate < 0:
		return c, argumentError("rate", "%v events a second: at least 0 are possible", c.rate)
	}
	return c, nil
}
