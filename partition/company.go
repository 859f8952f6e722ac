package partition

import "time"

const (
	// companyLeast is how many blocks an entry holds at least that is waited after. Fewer would save little.
	companyLeast = 16
	// companySure is after how many entries in a row, of so many blocks, it is waited: at one a burst of many would do, as a stall leaves behind.
	companySure = 2
	// companySettled is how often in a row, after the first time, it has to be as many callers in all before two halves are brought together.
	companySettled = 3
	// companyWaitMax is for how long it is waited at most. Below that it is four times what entries take.
	companyWaitMax = 5 * time.Millisecond
)

// company is what the proposer expects of those whom an entry answered.
//
// Many callers of one event each, who call again when they are answered, make an entry of whoever comes back first and another of all others, over and
// over: one and 63 in turns, where there are 64. So once an entry has landed the next one waits for as many as it answered, beside those who came
// meanwhile. It is what PostgreSQL does before it flushes its log (commit_delay, while commit_siblings others are at work), and how long is learned:
//
//	landed           half of them are back           all are, or as long again has passed
//	  ├───────────────────────┼───────────────────────┤
//	  └ at most four times what entries take of late, and companyWaitMax
//
// so that one who doesn't come back costs the others about what it took them to.
//
// It is of use only where that is all. Where others come all the time, whoever is answered, each entry would be late for nothing. What tells is what came
// while the entry was on its way: of callers who wait for their answers nobody is left who could come, or few.
//
//	entry of many lands ──▶ few came while it was on its way, twice ──▶ the next one waits
//	                   └──▶ more than a quarter of it did ────────────▶ it doesn't, nor after a small one
//
// A stall may part callers for good, though: while the entry of some is on its way the others come back, and the other way round. Then all of them come
// meanwhile, every time, and it looks as if others did. But no one is new: those who were answered and those who wait are as many in all as they were at the landing
// before, and the one before that. So where that is so for a while, the next entry waits all the same, and the halves are one from then on:
//
//	27 land, 37 wait ──▶ 37 land, 27 wait ──▶ 27 land, 37 wait ──▶ ... ──▶ 64 each time ──▶ 27 are waited for, too: 64 land, none waits
//
// Of those who come when they like hardly ever as many come, to one, as left.
//
// A publisher alone never waits, nor do a few (companyLeast). It is used by the proposer alone, and has no clock of its own.
type company struct {
	// sure is after how many entries in a row few had come.
	sure int
	// callers is how many were answered by the last landing or waiting then, and settled how many landings in a row before that had as many.
	callers int64
	settled int
	// landed is how many entries had, when they were last counted.
	landed uint64
}

// awaited is what an entry waits for: for half of those who were answered until a time, and then for all.
type awaited struct {
	half, all int64 // blocks that wait
	landed    time.Time
	until     time.Time
}

// expect says what the next entry is to wait for after the last landing, if for anything. It is asked once for each entry.
func (c *company) expect(last landing, now time.Time) (w awaited, some bool) {
	c.countCallers(last)
	switch {
	case last.answered < companyLeast:
		if last.waiting < companyLeast { // otherwise they came while one was served that had been first
			c.sure = 0
		}
		return awaited{}, false
	case c.settled >= companySettled: // nobody else came: they are halves, or are together
		c.sure = companySure
	case last.waiting > last.answered/4:
		c.sure = 0
	default:
		c.sure = min(c.sure+1, companySure)
	}
	until := last.at.Add(min(4*last.took, companyWaitMax))
	if c.sure < companySure || !now.Before(until) { // whoever comes later isn't one of them
		return awaited{}, false
	}
	return awaited{half: last.waiting + last.answered/2, all: last.waiting + last.answered, landed: last.at, until: until}, true
}

// countCallers notes how many callers there seem to be.
func (c *company) countCallers(last landing) {
	switch n := last.answered + last.waiting; {
	case last.count == c.landed: // they have been counted
		return
	case n == c.callers:
		c.settled = min(c.settled+1, companySettled)
	default:
		c.callers, c.settled = n, 0
	}
	c.landed = last.count
}

// rest says until when to wait for all, when half of them are there now.
func (w awaited) rest(now time.Time) time.Time {
	if rest := now.Add(now.Sub(w.landed)); rest.Before(w.until) {
		return rest
	}
	return w.until
}
