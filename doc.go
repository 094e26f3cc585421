// Package adminsessions is the vocabulary of an audit trail of administrator
// requests: one [Event] for each request to an admin panel, and the one line
// in which it is stored.
//
// Every other part of the module takes both from here: the middleware (package
// instrumentation) makes events, the exporter (package exporter) delivers their
// lines to Grafana Loki, the page (package viewer) and the Grafana dashboards
// (package dashboards) read them. The package imports nothing of theirs.
//
// # One event, one line
//
// An event says who did what from where and how it ended. Its line is logfmt
// from the first byte, so a person reads it, grep finds it, and Loki takes it
// apart (⇥ is a TAB):
//
//	type=API method=DELETE status=204 email=anna@example.com ip=10.2.3.4 id=2 action=clients.delete outcome=success url="https://panel.example/api/clients/7731" name="Anna Kowalska" note="client 7731 deleted"⇥session=ab12 request=e78e ms=12.1 route="/api/clients/{id}" ua="curl/8.5"⇥seq=118
//
// [Event.AppendLine] writes it, [ParseLine] reads it, and [Fields] is the one
// table of what can stand in it. There is nothing beside the line: no structured
// metadata, which Loki would decode for every entry that a query passes over,
// whatever the query asks for (docs/benchmarks.md has the figures).
//
// # Two ways to a provider
//
// [Event.Record] makes an OpenTelemetry log record for any LoggerProvider: its
// body is the line, its attributes have the names of the semantic conventions.
// A provider that also implements [Sink] takes the event as it is, without the
// record in between, and can answer whether it is safe. Both ways give the same
// line in Loki.
package adminsessions
