// Package exporter delivers events to Grafana Loki without losing one and without
// making the caller wait for Loki.
//
// It is a [adminsessions.Sink], an OpenTelemetry log processor and an exporter in
// one: an event enters a spool on disk before the call that recorded it returns,
// and one goroutine ships from there.
//
//	exp, err := exporter.New(
//		exporter.WithLoki(adminsessions.Loki{URL: "https://loki.example"}),
//		exporter.WithSpoolDir("/var/lib/panel/spool"),
//	)
//	if err != nil { … }
//	defer exp.Shutdown(ctx)
//	provider := exp.LoggerProvider() // for package instrumentation
//
// # What is promised
//
//   - An event that RecordEvent or Emit has taken survives kill -9, a Loki that is
//     away for hours, and a restart. A power cut takes at most the events of the
//     last sync interval (1 s), none with [SyncAlways].
//   - Loki away, slow or refusing changes nothing for the caller. The backlog is
//     delivered oldest first.
//   - A push whose answer was lost is sent again byte for byte, which Loki's log
//     queries show once. Pushes are repeated for no other reason.
//   - Nothing is given up. Whatever refuses pushes as a whole (Loki away or
//     overloaded, a wrong password, a gateway's page) is asked again for ever, and
//     the events stay in the spool. An entry is blamed only if Loki names its own
//     fault, or refuses it alone while it takes others of the same log: it is kept
//     in quarantine.ndjson beside the spool, with Loki's words, and is delivered
//     again if that file is renamed to quarantine.retry.ndjson.
//   - A clock costs no event. Where Loki refuses entries for their times, they get
//     times that it takes, and say when they arrived by this machine's clock.
//   - The trail tells of itself: that it was started and stopped, that events were
//     dropped or quarantined, that Loki was away, are events of type TRAIL.
//   - With a key that signs ([WithProof]) the trail proves that nothing is missing
//     from it and nothing was altered; with a key for the spool ([WithSpoolKeys])
//     nobody who has only the disk can read or forge what waits there.
//   - Every event has a number within its log. What is lost nevertheless, because
//     the spool or the disk is full or a file was damaged, is counted by reason,
//     and its number is missing in Loki: completeness can be proved by a query.
//
// docs/delivery.md tells the whole, with the test that shows each promise.
//
// # What Loki gets
//
// One line for each event, [adminsessions.Event.AppendLine], with the exporter's
// part behind the last TAB: seq=118, the event's number, and at=… where the entry
// stands at another time than its request arrived. There is no structured
// metadata. The stream's labels are audit_log_id, one for each spool, and the
// resource's service.name, service.instance.id and deployment.environment.name.
//
// An OpenTelemetry record that is not an event's becomes one: its attributes are
// fields where they have a field's key, else attr.KEY, and its body is the note.
//
// # Metrics
//
// [Exporter.Stats] has all numbers; package exportermetrics gives them to
// Prometheus.
//
// # Environment
//
// Loki's address and credentials are read from ADMINSESSIONS_LOKI_…, see
// [adminsessions.Loki]; the spool's options from ADMINSESSIONS_SPOOL_DIR, _LIMIT
// (bytes), _SYNC (interval, always, none), _FULL (drop, block), and, in whole
// milliseconds, _SYNC_INTERVAL, _BLOCK_TIMEOUT and _LOCK_TIMEOUT; its keys from one
// of _KEY_FILE, _KEY and _KEY_COMMAND; the keys that sign checkpoints from one of
// ADMINSESSIONS_PROOF_KEY_FILE, _KEY and _COMMAND (with _PUBLIC_KEY), the anchors
// from _ANCHORS (with _ANCHOR_TOKEN_FILE). A value that can't be used fails the
// start.
package exporter
