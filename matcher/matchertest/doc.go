// Package matchertest is the conformance suite of package matcher: what every engine behind matcher.Set has to pass, whatever it
// does inside.
//
//	Suite.Run ─┬▶ corpora   every rule of every case answers as the corpus says
//	           ├▶ alone     many rules in one set answer as each does in a set of its own
//	           ├▶ set       versions, replacing, removing, rules without a pattern, snapshots that stay
//	           ├▶ block     bitmaps over blocks of all sizes, and Matches used again
//	           └▶ readers   many goroutines match while one adds and removes; answers checked at every version
//
// It owns no cases: corpora come in as a file system, randomness as a function, so that a failure can be run again from its seed.
// An engine's own test package calls it:
//
//	matchertest.Suite{Engine: matcher.Plain, Corpora: os.DirFS("testdata"), Intn: rand.New(...).IntN}.Run(t)
//
// The readers part starts goroutines and joins them; it is worth most under the race detector. Start reading at suite.go.
package matchertest
