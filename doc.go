// Package adminsessions is the vocabulary of an audit trail of administrator
// requests: one [Event] for each request to an admin panel, its attribute
// names, its one-line sentence, and its encoding as an OpenTelemetry log
// record.
//
// Every other part of the module takes its names from here: the middleware
// (package instrumentation) makes events, the exporter (package exporter)
// delivers them to Grafana Loki, the page (package viewer) and the Grafana
// dashboards (package dashboards) show them. The package imports nothing of
// theirs.
//
// # One event
//
// An event says who did what from where and how it ended:
//
//	API GET https://demo.example/admin/api/clients 200 "Anna Kowalska" <anna@example.com> 10.2.3.4
//
// That sentence is the body of the log record and the line in Loki, so a
// search for a name, an e-mail address, a URL or an address is a filter on the
// line. The same facts stand beside it as attributes, in Loki as structured
// metadata, under the names of OpenTelemetry's semantic conventions with dots
// turned into underscores ([LokiName]): what Loki's own OTLP endpoint would
// make of the record.
//
// # Two ways to a provider
//
// [Event.Record] makes an OpenTelemetry log record for any LoggerProvider. A
// provider that also implements [Sink] takes the event as it is, without the
// record in between, and can answer whether it is safe. Both ways give the
// same entry in Loki.
package adminsessions
