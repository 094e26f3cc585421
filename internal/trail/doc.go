// Package trail reads the audit trail of administrator requests back from
// Grafana Loki: it builds LogQL from a [Filter], asks Loki's HTTP API, and
// walks any number of events by time without a gap and without a repeat.
//
// # Order
//
// Loki orders entries by time only, and cuts an answer at its limit wherever
// that falls, even in the middle of entries of one nanosecond. Events here are
// ordered by time and, within one nanosecond, by a hash of everything they
// hold, so the order is the same in every answer. [Store.Walk] never trusts the
// last nanosecond of an answer that was cut: it asks for it again, whole. A
// [Cursor] names a place in that order, so a page that starts after it has
// neither a gap nor a repeat, however many events arrive in between.
//
// # Bounds
//
// One answer of Loki holds at most [MaxBatch] entries and is refused beyond 64
// MiB. A walk holds one answer at a time. It goes over its window in slices of
// time that grow from an hour to four days, so a search for something rare over
// months can show how far it is, and no single query grows with the window.
//
// # Lines
//
// Where applications store the line of each event once more ([Store].LinesSince),
// a walk with a search asks in its wide slices for lines that match, and reads
// events only around them. The lines only leave out time in which nothing can
// be: order, cursors and filters are those of the events.
//
// # Errors
//
// Every error from Loki is an [*Error] with a [Kind] that says whose fault it is
// and what would help. Its text holds what Loki or the network said, addresses
// included: it is for the log, not for the page.
package trail
