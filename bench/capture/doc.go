// Package capture measures what recording a request costs the request.
//
// Every benchmark sends the same request through the same handler, and every
// one that records keeps the same fields. BenchmarkPeers runs its candidates
// in turns within one measurement, so that a machine that slows down slows all
// of them, and reports each one's time as a multiple of slog's JSON line:
//
//	go test -bench Peers -benchtime 20000x -count 10 ./capture
//
// The one called durable writes through package exporter into a spool on disk,
// with a Loki that does not answer: what a request pays while Loki is away.
package capture
