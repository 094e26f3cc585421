// Package trail reads the audit trail of administrator requests back from
// Grafana Loki: it builds LogQL from a [Filter], asks Loki, and walks any number
// of events by time without a gap and without a repeat.
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
// # What is asked of Loki
//
// Everything stands in the line (adminsessions.Event.AppendLine). A query first
// lets through lines that hold a text, which is cheap, then takes out of them
// the words that it compares, by their position ("| pattern"), and never parses
// a whole line: that is done here, by adminsessions.ParseLine. A line that
// begins like an event's and can't be parsed is an event all the same, of which
// only the line is known.
//
// # Bounds
//
// One answer of Loki holds at most 5,000 entries and is refused beyond 64 MiB. A
// walk holds one answer at a time. It goes over its window in slices of time
// that grow from an hour to four days, so a search for something rare over
// months can show how far it is, and no single query grows with the window.
package trail
