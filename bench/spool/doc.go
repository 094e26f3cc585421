// Package spool compares the spool's append with a raw framed file and with
// Prometheus' write-ahead log.
//
//	cd bench && go test -run '^$' -bench . ./spool
//
// docs/benchmarks.md has figures.
package spool
