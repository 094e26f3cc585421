// Package collector measures what is lost on the way of OTLP log records to
// Grafana Loki through an OpenTelemetry Collector (deploy/collector/config.yaml)
// and through the ingest of adminsessions proxy: of the records whose requests
// were answered with 200, how many are not in Loki after the program was killed
// (SIGKILL), after Loki was away, and after both?
//
//	make collector
//	go test -run '^$' -bench Loss -benchtime 1x -timeout 30m ./collector
//
// The sender is the same: OpenTelemetry's otlploghttp, ten records a request,
// from four goroutines at a steady rate. A request that was not answered is sent
// again until it is, as any client would that wants to lose nothing, so that what
// arrives twice is counted, too. It is a process of its own that is never killed:
// what a panel's batch processor loses is bench/delivery's matter.
//
// The table comes with the benchmark's log. docs/benchmarks.md has figures.
package collector
