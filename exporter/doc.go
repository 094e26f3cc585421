// Package exporter delivers OpenTelemetry log records to Grafana Loki without
// losing one and without making the caller wait for Loki.
//
// It is a processor and an exporter in one: a record enters a spool on disk
// before the call that emitted it returns, and one goroutine ships from there.
//
//	exp, err := exporter.New(
//		exporter.WithEndpoint("http://127.0.0.1:3100"),
//		exporter.WithSpoolDir("/var/lib/panel/spool"),
//		exporter.WithRegisterer(prometheus.DefaultRegisterer),
//		exporter.WithLogger(slog.Default()),
//	)
//	if err != nil { … }
//	provider := exp.LoggerProvider()
//	defer provider.Shutdown(ctx)
//
// # What is promised
//
//   - A record whose Emit has returned survives kill -9, a Loki that is away
//     for hours, and a restart. A power cut takes at most the records of the
//     last sync interval (1 s), none with [SyncAlways].
//   - Loki away, slow or refusing changes nothing for the caller. The backlog
//     is delivered oldest first.
//   - A push whose answer was lost is sent again byte for byte, which Loki's
//     log queries show once. Pushes are repeated for no other reason.
//   - Nothing is given up: transport errors, 429, 5xx, 401, 403 and 404 are
//     tried again for ever. An entry that Loki refuses by itself (400) is found
//     by bisection and kept in quarantine.ndjson beside the spool with Loki's
//     words; the rest is delivered.
//   - Every record has a sequence number (audit_sequence_number) within its
//     spool (audit_log_id). What is lost nevertheless, because the spool or the
//     disk is full or a file was damaged, is counted by reason, and its numbers
//     are missing in Loki: completeness can be proved by a query.
//
// docs/delivery.md tells the whole, with the test that shows each promise.
//
// # What becomes of a record
//
// Loki's labels are the resource's service.name, deployment.environment.name and
// service.instance.id. The body is the line. Attributes, severity, trace and
// scope become structured metadata under the names Loki's own OTLP endpoint
// gives them, so that records sent both ways look alike.
//
// Within a stream timestamps strictly increase: the spool moves a record that
// is not later than the one before it to a nanosecond after that. Where the
// move is a millisecond or more, audit_request_time keeps the time that was
// given. Together with a stream for each instance this keeps a backlog
// acceptable: Loki refuses an entry more than an hour behind its stream's
// newest.
//
// [WithLines] stores each record's line once more, without metadata, in a second
// stream: docs/events.md says what that is for.
//
// What exceeds Loki's limits is cut when the record is accepted (line 64 KiB,
// value 16 KiB, 112 names and 56 KiB of metadata) and named in audit_truncated.
package exporter
