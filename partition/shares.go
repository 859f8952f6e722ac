package partition

import "fmt"

// shares are what the parts of an entry may take of it, so that the log never refuses one that holds several commands because of one of them:
//
//	entryBytesMax  |  controls 1/8  |  gathered 1/16  |  one block more 3/8  |  its match index 3/8  |
type shares struct {
	controls, gathered, block, index int
}

func sharesOf(entryBytesMax int) shares {
	return shares{
		controls: min(controlBytes, entryBytesMax/8),
		gathered: min(entryBytes, entryBytesMax/16),
		block:    entryBytesMax / 8 * 3,
		index:    min(MatchIndexBytesMax, entryBytesMax/8*3),
	}
}

// BlockTooLargeError says that a block is larger than the log's entries allow. A larger log has larger entries.
type BlockTooLargeError struct{ Bytes, Limit int }

func (e *BlockTooLargeError) Error() string {
	return fmt.Sprintf("partition: a block of %d bytes; the log takes at most %d", e.Bytes, e.Limit)
}
