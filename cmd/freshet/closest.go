package main

import "strings"

// closest returns the candidate that was probably meant by word, or "". A
// candidate is close when it begins with the word, or when at most a third of
// its letters, and at least one, have to be changed, added, removed or swapped.
func closest(word string, candidates []string) string {
	best, bestDistance := "", 0
	for _, candidate := range candidates {
		distance := editDistance(strings.ToLower(word), strings.ToLower(candidate))
		switch {
		case len(word) >= 2 && strings.HasPrefix(candidate, word), len(candidate) >= 3 && strings.HasPrefix(word, candidate):
			distance = min(distance, 1)
		case distance > max(1, len(candidate)/3):
			continue
		}
		if best == "" || distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// editDistance counts the single letters to insert, delete or replace, and the
// neighbours to swap, that turn a into b (Damerau's distance, restricted form:
// https://doi.org/10.1145/363958.363994).
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	before, above, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(from); i++ {
		row[0] = i
		for j := 1; j <= len(to); j++ {
			cost := 1
			if from[i-1] == to[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(to)]
}
