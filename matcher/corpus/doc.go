// Package corpus reads collections of patterns and events with known answers, and puts them to implementations of the matcher.
//
//	bytes ─▶ Read ─▶ Case, Case, ... ─▶ Run ─▶ Failures
//	└────────────────── Test ────────────────▶ Tally: how many passed, how many failed
//
// A line of a corpus is a case, in one of two formats which are told apart by their members:
//
//	{"id": "...", "rules": {"name": pattern, ...}, "event": event, "matched": ["name", ...]}      which rules match
//	{"id": "...", "rules": {...}, "event_text": "...", "matched": [...]}                          with an event that is not JSON
//	{"id": "...", "pattern": pattern, "valid": false, "reason": "..."}                            a pattern to be refused
//	{"id": "...", "pattern_text": "...", "valid": false, "reason": "..."}                         one that is not even JSON
//	{"label": "...", "pattern": pattern, "event": event, "verdict": "match" | "no" | "error", "aws_error": {"Message": "..."}}
//
// Patterns and events are taken from the line byte for byte, since escapes, spelling of numbers and repeated names are part of
// what is tested. Files may be compressed with gzip. Empty lines are passed over; a line that is no case is an error.
//
// The package opens no files: it reads from an io.Reader. It starts no goroutines. Start reading at case.go.
package corpus
