package catalog

import (
	"cmp"
	"fmt"
	"slices"
)

// firstEpoch is that of a topic none of whose slots has ever moved.
const firstEpoch = 1

// partitions is how many the cluster has.
func (v *View) partitions() int {
	if v.cluster == nil {
		return 1
	}
	return int(v.cluster.Partitions)
}

// place chooses the partitions of a new topic: those that hold the fewest topics, of equals the lower number. It is part of applying a
// command: every replica chooses the same.
func (v *View) place(n int) []uint32 {
	all := make([]uint32, v.partitions())
	for i := range all {
		all[i] = uint32(i)
	}
	slices.SortStableFunc(all, func(a, b uint32) int { return cmp.Compare(v.topicsOf(a), v.topicsOf(b)) })
	chosen := all[:n:n]
	slices.Sort(chosen)
	return chosen
}

// topicsOf is how many topics a partition holds a part of.
func (v *View) topicsOf(partition uint32) int {
	if int(partition) >= len(v.topicsOn) {
		return 0
	}
	return v.topicsOn[partition]
}

// countTopic counts a topic that has come (1) or gone (-1), in a view that nobody has seen yet.
func (v *View) countTopic(on []uint32, by int) {
	counts := make([]int, v.partitions())
	copy(counts, v.topicsOn)
	for _, partition := range on {
		counts[partition] += by
	}
	v.topicsOn = counts
}

// checkPlaces refuses partitions that a topic can't be on.
func (v *View) checkPlaces(on []uint32) error {
	for i, partition := range on {
		if int(partition) >= v.partitions() || i > 0 && partition <= on[i-1] {
			return fmt.Errorf("on the partitions %v, of %d", on, v.partitions())
		}
	}
	return nil
}
