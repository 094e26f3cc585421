// Package bench compares the spool's append with a raw framed file and with
// Prometheus' write-ahead log.
//
//	go test -run '^$' -bench .
//
// docs/benchmarks.md has figures.
package bench
