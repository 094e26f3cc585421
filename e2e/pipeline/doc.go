// Package pipeline shows, against a real Loki, that what the exporter has
// accepted arrives: every event once, in order, whatever breaks on the way.
//
// Each test lets administrators' requests be recorded from two goroutines,
// breaks something, mends it, and then reads the whole trail back page by page.
// What must be true then is the same everywhere (see trail.verify):
//
//   - every event that RecordEvent has accepted is in Loki, once;
//   - the sequence numbers of the spool are there without a gap, except those
//     that a test knows to be refused or in quarantine;
//   - time stamps strictly increase in the order of sequence numbers;
//   - the entries say what was recorded;
//   - Loki's own arithmetic, the completeness query, says the same.
//
// # The completeness query
//
// max - min + 1 - count over seq, by audit_log_id, is 0 for a
// trail without a gap. In Loki, log queries show an entry that was sent twice
// once, but count_over_time may count it twice as long as the copies lie in
// different chunks. A push is sent twice only if its answer was lost, so after
// such a fault the plain query may fall below 0, and could hide a gap behind a
// copy. The tests therefore ask for the number of different sequence numbers,
// which copies do not change, wherever an answer can have been lost, and for
// the plain query to be exactly 0 where none can.
//
// Random choices come from one seed, which every run prints; -seed repeats a
// run.
package pipeline
