package partition

// Limits of one partition. Each bounds memory that somebody outside could otherwise make it hold; what is beyond is refused, and
// nothing of it is done.
const (
	// StreamsMax is how many topics a partition holds a stream of.
	StreamsMax = 10_000
	// SubscriptionsMax is how many subscriptions a stream has.
	SubscriptionsMax = 10_000
	// MembersMax is how many members a fan-out has.
	MembersMax = 256
	// SessionsMax is how many sessions a partition knows, attached or away.
	SessionsMax = 10_000
	// ProducersMax is how many producers a partition remembers. Beyond it the one that has been silent for longest is forgotten.
	ProducersMax = 100_000
	// AnswersMax is how many of a producer's last answers are remembered, which is how many of its blocks may be under way.
	AnswersMax = 16
	// CreditEventsMax and CreditBytesMax bound what a session may hold.
	CreditEventsMax = 65_536
	CreditBytesMax  = 64 << 20
	// LeasedMax is how many events of a cursor may be under lease at a time. At the bound nothing more is assigned until some are settled.
	LeasedMax = 262_144
	// ReceiptsMax is how many receipts one command settles, and how many events one Take leases.
	ReceiptsMax = 1_000
	// SettleRunsMax is how many runs one Settle names.
	SettleRunsMax = 16_384
	// MatchIndexBytesMax bounds what one block's match index takes of an entry, together with the index's share of what the log takes (shares.go). A block beyond it, of very many events that very many
	// subscriptions each get some of, is refused: it has to be published in smaller ones.
	MatchIndexBytesMax = 6 << 20
	// NearEventsMax is how many events may wait for a near cursor: 1,024 blocks of 1,024. With more it falls behind: it becomes far, and what
	// comes is read from the log when its consumers have room.
	NearEventsMax = 1 << 20
	// WaitingBytesMax is what all waiting and held events of a partition may take of memory. Beyond it a cursor for which something waits takes no
	// block, beyond twice as much none does: they fall behind.
	WaitingBytesMax = 64 << 20
	// PatternsMax is how many patterns of a subscription are remembered for a cursor that hasn't looked at the events that they were in force for.
	// Another change is refused until it has.
	PatternsMax = 16
	// ReasonBytesMax is the length of what a consumer says why it released or rejected an event.
	ReasonBytesMax = 256

	// LookAheadMax is how many events of an ordered queue's cursor are in line, waiting or held. When they are as many and all that wait are of
	// keys whose events are held, the queue looks no further until some are settled: its frontier waits, and Counts.Stalled says so.
	LookAheadMax = 20_000
	// OrderedHeldMax is how many events of one key a session holds.
	OrderedHeldMax = 10
	// DelayedBytesMax is what the events that are to be delivered later take of memory, some 10 bytes each. Beyond it a block that has such events
	// is refused.
	DelayedBytesMax = 32 << 20

	// RedriveMax is how many dead letters one command makes ready again.
	RedriveMax = 10_000
	// DeadLettersMax is how many dead letters a cursor has. Nothing more is leased than could die without going beyond: at the bound the
	// events wait, until some dead letters are redriven.
	DeadLettersMax = 100_000

	// AsideEventsMax and AsideBytesMax bound the dead letters of a partition that the log isn't kept for, since every replica copies them out of it. Beyond
	// them a dead letter holds the log, and is named as what does, until others are settled. A replica that starts reads its copies, which takes a
	// second or so for so much.
	AsideEventsMax = 100_000
	AsideBytesMax  = 256 << 20
	// relieveMax is how many dead letters that hold the log are set aside in one entry, when there is room.
	relieveMax = 1_000

	// UndeliveredMax is how often an event may be sent without arriving (its session never says that it got the delivery, and the lease ends)
	// before it is a dead letter.
	UndeliveredMax = 100
	// fillEventsMax is how many events one fill brings a far cursor, and how many wait for it at most before it gets no other.
	fillEventsMax = 16_384
	// closeEvents is how close to the head a far cursor takes blocks again.
	closeEvents = 65_536
	// deliveryEventsMax and deliveryBytesMax bound one delivery, so that a consumer's first event needn't wait for a large message.
	deliveryEventsMax = 4_096
	deliveryBytesMax  = 1 << 20
	// expireEventsMax is how many events' leases or delays end in one entry, to within one lease; the rest ends in the next, which is due at once.
	expireEventsMax = 16_384
	// DedupIDsMax is how many dedup ids a partition remembers, at about 60 bytes each. Beyond it, blocks with dedup ids are refused until the oldest are
	// out of the window: what would be forgotten too early could be stored twice.
	DedupIDsMax = 1 << 20
	// dedupWindow is for how long a dedup id is remembered, by the partition clock: 10 minutes.
	dedupWindow Tick = 10 * 60 * 1000
	// dedupGenerations is into how many parts the window is cut, dedupGenerationIDs how many ids fill a part before its time, and dedupLiveMax how
	// many parts applying looks into. The leader has looked into the others.
	dedupGenerations   = 16
	dedupGenerationIDs = 65_536
	dedupLiveMax       = 4
	// dedupPieceShift says how many ids are recorded as one piece: 1 << so many.
	dedupPieceShift = 12
	// dismantleMax is how many runs of what is leaving are freed in one entry; the rest follows in the next, which is due at once.
	dismantleMax = 10_000
	// stripRow is how many events in a row count as one run of what is leaving.
	stripRow = 1_024
	// expireMembersMax is how many unused members leave in one entry; the rest does in the next.
	expireMembersMax = 100
	// dueMovedMax is how many events due within an hour are sorted in one entry, and dueWorkMax to how many cursors events that fall due are
	// shown; the rest is in the next, which is due at once.
	dueMovedMax = 4_096
	dueWorkMax  = 8_192
	// redriveLooksMax is how many dead letters one command looks at to find those that it means.
	redriveLooksMax = 50_000
	// trimEvery is how many entries pass between two looks at which part of the log is still kept, and trimBytes how many bytes of them. Else a few large ones,
	// behind which nothing comes, stayed, and publishers of other partitions found the log full of what nobody wants.
	trimEvery = 16
	trimBytes = 1 << 20
	// leaseTicksMax is the longest that one lease can be made by extending it: 12 hours.
	leaseTicksMax Tick = 12 * 60 * 60 * 1000
	// wallJumpMax is how far, in milliseconds, a wall reading may lie from what the partition clock makes of the last one.
	wallJumpMax = 60_000
)
