//go:build !race

package block

// poisoned makes who looks at memory that was given back find no block in it. Tests that look for races have it.
const poisoned = false
