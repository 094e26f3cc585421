// Package conformance shows that an event is the same line in Loki whichever way
// it gets there: through this module's exporter, through OpenTelemetry's OTLP
// exporter, or from a file.
package conformance
