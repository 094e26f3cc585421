// Package conformance shows that a record has the same form in Loki whichever
// way it gets there: through this project's exporter, or through the SDK's
// OTLP exporter into Loki's own OTLP endpoint.
package conformance
