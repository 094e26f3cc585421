package main

// byInstance names who has written an event of the trail's own.
const byInstance = "service_name, service_instance_id"

// ownEvents counts the trail's own events of an action.
func ownEvents(by, action, filter, over string) string {
	return "sum by (" + by + ") (" + within(ofTrail(`{service_name=~".+", audit_log_id!=""}`, action)+filter, over) + ")"
}

// before reads back from an offset.
func before(by, action, filter, over, offset string) string {
	return "sum by (" + by + ") (count_over_time(" + ofTrail(`{service_name=~".+", audit_log_id!=""}`, action) + filter + " [" + over + "] offset " + offset + "))"
}

// proofAlerts are the rules over what the trail tells of itself.
func proofAlerts() []alert {
	instance := known("service_name") + ", instance " + known("service_instance_id")
	newLog := ` | attr_spool="new"`
	return []alert{
		{
			name: "AdminSessionsVerificationFailed", uid: "adminsessions-verification-failed",
			about: []string{
				"A scheduled verification found events that are missing without a reason on record,",
				"altered, forged or signed twice. Each later one finds them again.",
			},
			expr:     ownEvents(byInstance, "verified", ` | outcome="failure"`, "2h") + " > 0",
			severity: "critical",
			summary:  "The audit trail of " + known("service_name") + " is not as it was written", description: value + " verifications by " + instance + ", found within 2 hours that the trail is not complete or not unaltered.",
			dashboard: uidPipeline, panel: 30,
		},
		{
			name: "AdminSessionsVerificationStopped", uid: "adminsessions-verification-stopped", slow: true,
			about: []string{"Verified within the week before, and not for a day. A verification that can't read the", "trail is none."},
			expr: between(
				before("service_name", "verified", ` | outcome!="error"`, "7d", "24h"),
				"unless",
				ownEvents("service_name", "verified", ` | outcome!="error"`, "24h")),
			severity: "warning",
			summary:  "The audit trail of " + known("service_name") + " is no longer verified", description: "No verification of the trail of " + known("service_name") + " has come to an end for 24 hours; in the 7 days before it were " + value + ".",
			dashboard: uidPipeline, panel: 30,
		},
		{
			name: "AdminSessionsSpoolLost", uid: "adminsessions-spool-lost",
			about:    []string{"A spool was removed, copied, or restored from a backup: what it had not delivered is lost,", "or is numbered twice."},
			expr:     ownEvents(byInstance, "spool_lost", "", "30m") + " > 0",
			severity: "critical",
			summary:  "A spool of " + known("service_name") + " was removed, copied or set back", description: "The trail of " + instance + ", says within 30 minutes " + value + " times that its spool is not the one that it was.",
			dashboard: uidPipeline, panel: 26,
		},
		{
			name: "AdminSessionsLogWithoutPredecessor", uid: "adminsessions-log-without-predecessor", slow: true,
			about: []string{
				"A log began anew under the name of an instance that had one within the week before, and",
				"does not know of it: the spool is gone, and what was kept of it beside the key, too.",
			},
			expr: between(
				"(", ownEvents(byInstance, "started", newLog, "30m"), "unless", ownEvents(byInstance, "spool_lost", "", "30m"), ")",
				"and",
				before(byInstance, "started", "", "7d", "30m")),
			severity: "warning",
			summary:  "A log of " + known("service_name") + " began anew without a predecessor", description: "The trail of " + instance + ", began " + value + " new logs within 30 minutes, though it had one before. What that spool still held is not in Loki.",
			dashboard: uidPipeline, panel: 26,
		},
	}
}

// proofPipelineAlerts are the rules over the metrics of the proof.
func proofPipelineAlerts() []alert {
	return []alert{
		{
			name: "AdminSessionsNotAnchored", about: []string{"Checkpoints wait, and none has reached the anchor within the hour: until then whoever has", "the panel's machine and its key can write another history."},
			expr: between(
				"max by (job, instance, anchor) (adminsessions_exporter_anchor_waiting) > 0",
				"unless",
				"sum by (job, instance, anchor) (increase(adminsessions_exporter_anchored_total[1h])) > 0"), lasts: "1h", severity: "warning", panel: 34,
			summary:     "Checkpoints of {{ $labels.instance }} are not anchored",
			description: value + " checkpoints of " + who + " wait for the anchor {{ $labels.anchor }}, which has taken none for an hour.",
		},
		{
			name: "AdminSessionsCheckpointsFailing", about: []string{"Events are recorded and delivered, and not proved until the key signs again."},
			expr: grown("adminsessions_exporter_checkpoint_failures_total", "", "15m"), keeps: "15m", severity: "warning", panel: 34,
			summary:     "Checkpoints of {{ $labels.instance }} can't be signed",
			description: value + " attempts of " + who + " to sign a checkpoint failed within 15 minutes.",
		},
		{
			name: "AdminSessionsVerificationLate", about: []string{"With the verification's default interval of an hour. Set 3 hours to three times yours."},
			expr: "time() - max by (job, instance) (adminsessions_verify_last_run_timestamp_seconds) > 3 * 3600", lasts: "1h", severity: "warning", panel: 30,
			summary:     "{{ $labels.instance }} no longer verifies the audit trail",
			description: "The last verification by " + who + " that could read the trail ended {{ $value | humanizeDuration }} ago, or there was none.",
		},
	}
}
