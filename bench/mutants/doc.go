// Package mutants breaks freshet on purpose, one promise at a time, and sees who notices. A check that nothing can fail is no
// check; a mutant that nobody catches is a hole in the harness, and is filled there.
//
//	testdata/mutants.txt ──▶ the source file with the fault in it, in a temporary directory
//	  fault, catcher           └─▶ go test -overlay ──▶ catcher fails: caught, in so many seconds
//	                                                    catcher passes: the test fails
//
// Faults are replacements of a line's text, and not code behind build tags, so that what is shipped has neither hooks nor branches
// for them. What is replaced has to stand in its file exactly once; that is checked in every run of the tests, so that the list can't
// go stale in silence. Catchers are the checkers of whole behaviours: a model beside the partition, power cuts of a cluster, its simulation,
// crashes of the log, clients under faults. The unit tests of what was broken aren't asked.
//
//	go test ./bench/mutants -mutants                     all of them, and a table (some minutes)
//	go test ./bench/mutants -mutants -run /early-expiry  one
package mutants
