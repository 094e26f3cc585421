package main

// who names the panel that speaks.
const who = "{{ $labels.instance }} ({{ $labels.job }})"

func grown(metric, by, over string) string {
	return "sum by (job, instance" + by + ") (increase(" + metric + "[" + over + "])) > 0"
}

func pipelineAlerts() []alert {
	alerts := []alert{
		{
			name: "AdminSessionsDropping", about: []string{"Lost for good: the spool was full, or its disk failed."},
			expr: grown("adminsessions_exporter_events_dropped_total", ", reason", "10m"), keeps: "10m", severity: "critical", panel: 5,
			summary:     "Admin requests of {{ $labels.instance }} are not recorded",
			description: value + " events of " + who + " were dropped within 10 minutes, reason {{ $labels.reason }}. They are lost; the sequence numbers show the gap.",
		},
		{
			name: "AdminSessionsNotRecording", about: []string{"Lost before the exporter: the middleware could not hand the record over."},
			expr: grown("adminsessions_instrumentation_record_failures_total", ", reason", "10m"), keeps: "10m", severity: "critical", panel: 10,
			summary:     "Admin requests of {{ $labels.instance }} are not recorded",
			description: value + " records of " + who + " were lost between middleware and exporter within 10 minutes, reason {{ $labels.reason }}.",
		},
		{
			name: "AdminSessionsQuarantining",
			expr: grown("adminsessions_exporter_events_quarantined_total", ", reason", "30m"), keeps: "30m", severity: "warning", panel: 6,
			summary:     "Loki refuses events of {{ $labels.instance }}",
			description: value + " events of " + who + " were set aside in the quarantine file within 30 minutes, reason {{ $labels.reason }}.",
		},
		{
			name: "AdminSessionsBacklogOld", about: []string{"Nothing is lost yet, but nobody sees what happens now."},
			expr: "max by (job, instance) (adminsessions_exporter_backlog_age_seconds) > 600", lasts: "5m", severity: "warning", panel: 4,
			summary:     "Events of {{ $labels.instance }} wait for Loki",
			description: "The oldest event of " + who + " that Loki has not acknowledged is {{ $value | humanizeDuration }} old.",
		},
		{
			name: "AdminSessionsLokiUnreachable",
			expr: "min by (job, instance) (adminsessions_exporter_loki_up) == 0", lasts: "5m", severity: "warning", panel: 2,
			summary:     "{{ $labels.instance }} cannot deliver to Loki",
			description: "No push of " + who + " has been acknowledged by Loki for 5 minutes. Events wait on the disk.",
		},
		{
			name: "AdminSessionsNothingDelivered", about: []string{
				"The heartbeat, where there is traffic: requests are served and nothing arrives in Loki,",
				"for whatever reason.",
			},
			expr: between(grown("adminsessions_instrumentation_requests_total", "", "15m"), "unless", grown("adminsessions_exporter_events_delivered_total", "", "15m")), lasts: "5m", severity: "critical", panel: 7,
			summary:     "The audit trail of {{ $labels.instance }} is silent",
			description: who + " served " + value + " admin requests within 15 minutes and delivered no event to Loki.",
		},
		{
			name: "AdminSessionsMetricsAbsent", about: []string{
				"A panel that recorded within the last day and that Prometheus no longer hears of. It may",
				"be switched off; it may also have lost its recording.",
			},
			expr: between(
				"count by (job, instance) (count_over_time(adminsessions_exporter_events_accepted_total[1d]))",
				"unless",
				"count by (job, instance) (adminsessions_exporter_events_accepted_total)"), lasts: "10m", severity: "warning", panel: 7,
			summary:     "{{ $labels.instance }} no longer reports on its audit trail",
			description: who + " has given no metrics of its audit trail for 10 minutes, and gave them within the last day.",
		},
		{
			name: "AdminSessionsSpoolNearlyFull",
			expr: "max by (job, instance) (adminsessions_spool_size_bytes / (adminsessions_spool_limit_bytes > 0)) > 0.8", lasts: "5m", severity: "warning", panel: 13,
			summary:     "The spool of {{ $labels.instance }} is nearly full",
			description: "The spool of " + who + " is at {{ $value | humanizePercentage }} of its limit. At 100% new events are dropped, or requests wait, as configured.",
		},
		{
			name: "AdminSessionsDiskNearlyFull", about: []string{"Less room than the spool may still want to take."},
			expr: between(
				"min by (job, instance) (",
				"  adminsessions_spool_disk_free_bytes",
				"  < (adminsessions_spool_limit_bytes - adminsessions_spool_size_bytes)",
				"  or adminsessions_spool_disk_free_bytes < 536870912",
				")"), lasts: "5m", severity: "warning", panel: 14,
			summary:     "The disk of the spool of {{ $labels.instance }} is nearly full",
			description: "{{ $value | humanize1024 }}B are free for the spool of " + who + ": less than its limit allows it to take, or less than 512 MiB.",
		},
		{
			name: "AdminSessionsSpoolDamaged",
			expr: grown("adminsessions_spool_damage_total", ", reason", "1h"), keeps: "1h", severity: "critical", panel: 10,
			summary:     "The spool of {{ $labels.instance }} is damaged",
			description: value + " damaged places ({{ $labels.reason }}) were found in the spool of " + who + " within an hour. At most the records in them are lost.",
		},
		{
			name: "AdminSessionsSyncFailing",
			expr: grown("adminsessions_spool_sync_failures_total", "", "10m"), keeps: "10m", severity: "critical", panel: 13,
			summary:     "The spool of {{ $labels.instance }} cannot be synced to disk",
			description: value + " syncs of the spool of " + who + " failed within 10 minutes. Events since the last good one may not survive a power cut.",
		},
		{
			name: "AdminSessionsClockSkew", about: []string{
				"Measured by the Date of Loki's answers. Entries stand in Loki at a time that it accepts;",
				"the panel's own time is in the event.",
			},
			expr: "max by (job, instance) (abs(adminsessions_exporter_clock_skew_seconds)) > 30", lasts: "5m", severity: "warning", panel: 22,
			summary:     "The clock of {{ $labels.instance }} is wrong",
			description: "The clocks of " + who + " and of Loki differ by {{ $value | humanizeDuration }}. Times in the trail are not to be relied on.",
		},
		{
			name: "AdminSessionsFolding", about: []string{
				"A flood without credentials: requests are counted in folded records instead of having",
				"one each. Nothing of administrators is folded.",
			},
			expr: grown("adminsessions_instrumentation_events_folded_total", "", "10m"), keeps: "10m", severity: "warning", panel: 15,
			summary:     "{{ $labels.instance }} is flooded with anonymous requests",
			description: value + " anonymous requests to " + who + " were folded into counted records within 10 minutes.",
		},
		{
			name: "AdminSessionsRulesFailing", about: []string{
				"Rules that fail alert of nothing: Loki's ruler, Prometheus, and Grafana where Prometheus",
				"scrapes it.",
			},
			expr: between(
				"sum by (job, instance) (",
				"  increase({__name__=~\"loki_prometheus_rule_evaluation_failures_total|prometheus_rule_evaluation_failures_total|grafana_alerting_rule_evaluation_failures_total\"}[10m])",
				") > 0"), keeps: "10m", severity: "critical", panel: 18,
			summary:     "Alert rules fail at {{ $labels.instance }}",
			description: value + " evaluations of alert rules failed at " + who + " within 10 minutes. What they watch is not watched.",
		},
	}
	alerts = append(alerts, proofPipelineAlerts()...)
	for i := range alerts {
		alerts[i].dashboard = uidPipeline
	}
	return alerts
}
