package matcher

import "slices"

// hashIndex maps hashes to numbers other than 0. It is an extendible hash table [Fagin, Nievergelt, Pippenger, Strong 1979]: a
// directory, by the first bits of the hash, of buckets that split one by one when they are full, so that no change costs more
// than a bucket and the directory. Like paged, a copy of the struct is a snapshot.
//
//	hash   0110 1001 1011 0111 0001 0101 1100 0011
//	       └───┬───┘                     └───┬───┘
//	       directory            where in the bucket to begin
//
// Hashes have 32 bits, so of 100,000 keys about one pair has the same. They share what is there: whoever looks something up has to
// make sure that it is what was looked for.
type hashIndex struct {
	edition   edition
	depth     uint8 // bits that the directory goes by
	directory []*bucket
}

// bucket is a small table with open addressing. Several places of the directory share one whose depth is below the directory's.
type bucket struct {
	edition edition
	depth   uint8
	count   int
	slots   []slot // a power of two, at most three quarters of them taken
}

type slot struct {
	hash  uint32
	value uint32 // 0 where the slot is free
}

// What a bucket may hold. At 2 KB copying one is cheap, and the directory is a hundredth of the entries.
const (
	bucketSlotsMin = 8
	bucketSlotsMax = 256
	// directoryDepthMax leaves the bits that buckets go by. Full buckets at that depth, of some hundred million entries, grow.
	directoryDepthMax = 22
)

// find returns what is under a hash; 0 if there is nothing.
func (x *hashIndex) find(hash uint32) uint32 {
	if len(x.directory) == 0 {
		return 0
	}
	slots := x.directory[hash>>(32-x.depth)].slots
	mask := uint32(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := slots[i&mask]
		if s.value == 0 || s.hash == hash {
			return s.value
		}
	}
}

// put sets what is under a hash; the value 0 takes it out.
func (x *hashIndex) put(hash, value uint32, now edition) {
	if len(x.directory) == 0 {
		x.edition = now
		x.directory = []*bucket{{edition: now, slots: make([]slot, bucketSlotsMin)}}
	}
	b := x.owned(hash, now)
	i := b.place(hash)
	switch taken := b.slots[i].value != 0; {
	case taken && value == 0:
		b.remove(i)
	case taken:
		b.slots[i].value = value
	case value != 0:
		for b.full() && !b.grow(bucketSlotsMax) && b.depth < directoryDepthMax {
			x.split(hash, now)
			b = x.owned(hash, now)
		}
		if b.full() {
			b.grow(2 * len(b.slots))
		}
		b.slots[b.place(hash)] = slot{hash: hash, value: value}
		b.count++
	}
}

// owned returns the bucket of a hash, to change.
func (x *hashIndex) owned(hash uint32, now edition) *bucket {
	if x.edition != now {
		x.directory, x.edition = slices.Clone(x.directory), now
	}
	at := hash >> (32 - x.depth)
	b := x.directory[at]
	if b.edition != now {
		b = &bucket{edition: now, depth: b.depth, count: b.count, slots: slices.Clone(b.slots)}
		x.place(at, b)
	}
	return b
}

// place puts a bucket at all places of the directory that share it with one of them.
func (x *hashIndex) place(at uint32, b *bucket) {
	width := uint32(1) << (x.depth - b.depth)
	first := at &^ (width - 1)
	for i := range width {
		x.directory[first+i] = b
	}
}

// split makes two of the bucket of a hash, by the next bit.
func (x *hashIndex) split(hash uint32, now edition) {
	at := hash >> (32 - x.depth)
	old := x.directory[at]
	if old.depth == x.depth {
		wider := make([]*bucket, 0, 2*len(x.directory))
		for _, b := range x.directory {
			wider = append(wider, b, b)
		}
		x.directory = wider
		x.depth++
		at = hash >> (32 - x.depth)
	}
	var halves [2]*bucket
	for i := range halves {
		halves[i] = &bucket{edition: now, depth: old.depth + 1, slots: make([]slot, len(old.slots))}
	}
	for _, s := range old.slots {
		if s.value != 0 {
			half := halves[s.hash>>(31-old.depth)&1]
			half.slots[half.place(s.hash)] = s
			half.count++
		}
	}
	width := uint32(1) << (x.depth - old.depth)
	first := at &^ (width - 1)
	x.place(first, halves[0])
	x.place(first+width/2, halves[1])
}

// place is where a hash is, or where it would go.
func (b *bucket) place(hash uint32) uint32 {
	mask := uint32(len(b.slots) - 1)
	i := hash & mask
	for b.slots[i].value != 0 && b.slots[i].hash != hash {
		i = (i + 1) & mask
	}
	return i
}

func (b *bucket) full() bool { return 4*(b.count+1) > 3*len(b.slots) }

// grow doubles the bucket's slots, if they are fewer than the limit.
func (b *bucket) grow(limit int) bool {
	if len(b.slots) >= limit {
		return false
	}
	before := b.slots
	b.slots = make([]slot, 2*len(before))
	for _, s := range before {
		if s.value != 0 {
			b.slots[b.place(s.hash)] = s
		}
	}
	return true
}

// remove empties a slot, and moves up what would not be found any more across it.
func (b *bucket) remove(hole uint32) {
	b.count--
	mask := uint32(len(b.slots) - 1)
	for i := (hole + 1) & mask; b.slots[i].value != 0; i = (i + 1) & mask {
		if home := b.slots[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			b.slots[hole] = b.slots[i]
			hole = i
		}
	}
	b.slots[hole] = slot{}
}
