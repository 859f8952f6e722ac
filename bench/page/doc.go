// Package page writes what a run of package load found as one HTML page: throughput and latency over time,
// the distribution of latencies, and what each node used. It is what `freshet bench --html` writes.
//
// # What it owns
//
// The page's text, style and script, and a copy of uPlot that draws the charts (assets/uplot, MIT; brought
// from npm by `make generate`, where its version is pinned). It measures nothing and works nothing out: the
// figures are the report's.
//
//	load.Report ─► document (JSON) ─┐
//	assets: page.html, page.css, page.js, uplot/ ─► Write ─► one file
//
// # Invariants
//
//	PG1  The page asks nobody for anything: scripts, styles and figures are in it. Its content security
//	     policy forbids the rest.
//	PG2  What comes from a run (names, texts) is shown as text, never as markup.
//	PG3  It is drawn anew when the reader's system turns from light to dark, and readable in both.
//
// # Goroutines
//
// None.
//
// # Where to start reading
//
// page.go, then assets/page.js.
package page
