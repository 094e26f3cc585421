// Package delivery compares ways to get a panel's events into Grafana Loki: what
// they cost the process that records, how much they deliver, and what they lose.
//
//	adminsessions    this project's exporter, its spool on disk included; also with
//	                 a tree and checkpoints (proved), and with a spool that is
//	                 encrypted
//	loki-client-go   github.com/grafana/loki-client-go, with its defaults
//	otlp             OpenTelemetry's batch processor and otlploghttp into Loki's
//	                 OTLP endpoint, with their defaults
//	otlp-tuned       the same with a queue for a million records and large batches
//	bare             events encoded and pushed over two connections, nothing kept:
//	                 the floor
//	none             events made and thrown away: what the harness itself costs
//
// All run against one real Loki and are given the same events from two
// goroutines. Each is a process of its own, so that CPU time and memory are its
// own, and they take turns within one run, because the machine is not equally
// fast at all times. What has arrived is read back from Loki's log view, event by
// event.
//
//	go test -run '^$' -bench Throughput -benchtime 5x ./delivery
//	go test -run '^$' -bench Burst      -benchtime 1x ./delivery
//	go test -run '^$' -bench Outage     -benchtime 1x -timeout 30m ./delivery
//	go test -run '^$' -bench Kill       -benchtime 1x ./delivery
//
// The tables come with the benchmark's log. docs/benchmarks.md has figures.
package delivery
