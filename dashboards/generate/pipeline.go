package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// numbered are the lines that the exporter has numbered.
func numbered() string {
	return selector(`audit_log_id!=""`) + ` | pattern "<_>\t<_>\tseq=<seq> <_>" | seq!=""`
}

func unwrapped(f, over string) string {
	return f + "_over_time(" + numbered() + " | unwrap seq [" + over + "]) by (" + trail + ")"
}

// trail names a log: order and numbers are kept per log.
const trail = "service_name, service_instance_id, audit_log_id"

// eachOnce is 0 where the numbers of a log in the time range are each there once:
// then their sum is that of their span, too. As many that are missing as are there
// twice leave the count as it is, but not the sum. Beyond 2^53 a sum is not exact,
// and there is no answer.
func eachOnce(lines, over string) string {
	of := func(f string) string {
		return f + "_over_time(" + lines + " | unwrap seq [" + over + "]) by (" + trail + ")"
	}
	total := sum(trail, "sum_over_time("+lines+" | unwrap seq ["+over+"])")
	most, least := of("max"), of("min")
	return "(" + total + "\n  - (" + most + "\n    + " + least + ") / 2\n  * (" + most + "\n    - " + least + "\n    + 1)\n) ^ 2 > bool 0.25\nand " + total + " < 9e15"
}

// calculated adds a field that is made of two others, or of one and a number.
func calculated(alias, left, operator, right string) dashboard.DataTransformerConfig {
	side := func(s string) map[string]any {
		if s == "1" || s == "2" {
			return map[string]any{"fixed": s}
		}
		return map[string]any{"matcher": map[string]any{"id": "byName", "options": s}}
	}
	return dashboard.DataTransformerConfig{Id: "calculateField", Options: map[string]any{
		"mode": "binary", "alias": alias, "replaceFields": false,
		"binary": map[string]any{"left": side(left), "operator": operator, "right": side(right)},
	}}
}

// once says what the difference between the sum of the numbers and that of their
// span means.
func once() []dashboard.ValueMapping {
	says := func(from, to *float64, text, color string, index int32) dashboard.ValueMapping {
		return dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{
			Type:    dashboard.MappingTypeRangeToText,
			Options: dashboard.DashboardRangeMapOptions{From: from, To: to, Result: dashboard.ValueMappingResult{Text: &text, Color: &color, Index: &index}},
		}}
	}
	return []dashboard.ValueMapping{
		says(new(-0.25), new(0.25), "yes", "green", 0),
		says(nil, new(-0.25), "no", "red", 1),
		says(new(0.25), nil, "no", "red", 2),
	}
}

func completeness() []cog.Builder[dashboard.Panel] {
	missing := property{Id: "thresholds", Value: map[string]any{"mode": "absolute", "steps": []map[string]any{
		{"value": nil, "color": "orange"}, {"value": 0, "color": "green"}, {"value": 1, "color": "red"},
	}}}
	columns := []column{
		{field: "service_name", title: "Service", least: 100}, {field: "service_instance_id", title: "Instance", least: 100}, {field: "audit_log_id", title: "Log", least: 140},
		numberColumn("B", "First", 90), numberColumn("A", "Last", 90),
		{field: "Expected", title: "Expected", width: 100, more: []property{unit("locale"), right}},
		numberColumn("C", "In Loki", 90), numberColumn("E", "Signed", 90),
		{field: "Missing", title: "Missing", width: 112, more: []property{unit("locale"), right, missing, drawn("color-background")}},
		{field: "Off", title: "Each once", width: 92, more: []property{right, unfiltered, drawn("color-text"), mapped(once()...), {Id: "noValue", Value: "unknown"}}},
	}
	value := func(letter string) string { return "Value #" + refID(letter) }
	b := sortedBy(tableOf(16, "Trail by log", "Each spool numbers its events without gaps. Expected: last − first + 1. Signed: up to which number a checkpoint says what there is. Missing above 0: numbers that Loki does not have, or did not answer with. Below 0: counted twice (a batch that was sent again, a spool that was copied), which can hide a loss: ask again later, or for a shorter time range. Each once: no where Missing is 0: as many numbers are missing as are counted twice. A log that begins or ends in the time range is normal: a spool was made or retired.",
		"No numbered events, or the query failed", place(0, 4, 24, 6), columns...), "Missing").
		WithTarget(instantly("A", unwrapped("max", wholeRange))).
		WithTarget(instantly("B", unwrapped("min", wholeRange))).
		WithTarget(instantly("C", sum(trail, count(numbered(), wholeRange)))).
		WithTarget(instantly("D", sum(trail, "sum_over_time("+numbered()+" | unwrap seq ["+wholeRange+"])"))).
		WithTarget(instantly("E", "max_over_time("+ofTrail(selector(`audit_log_id!=""`), "checkpoint")+" | unwrap attr_size ["+wholeRange+"]) by ("+trail+")")).
		Transformations(append([]dashboard.DataTransformerConfig{
			{Id: "merge", Options: map[string]any{}},
			calculated("Span", value("A"), "-", value("B")),
			calculated("Expected", "Span", "+", "1"),
			calculated("Missing", "Expected", "-", value("C")),
			calculated("Both", value("A"), "+", value("B")),
			calculated("Middle", "Both", "/", "2"),
			calculated("Sum", "Middle", "*", "Expected"),
			calculated("Off", value("D"), "-", "Sum"),
		}, only(columns)...))
	of := func(id uint32, title, about, calc string, at dashboard.GridPos, steps ...step) cog.Builder[dashboard.Panel] {
		return number(id, title, about, "locale", at, steps...).Datasource(panelResult).
			WithTarget(fromPanel(16, true)).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{calc}).Fields("/^Missing$/").Values(false))
	}
	return []cog.Builder[dashboard.Panel]{
		of(1, "Missing", "The most numbers that a log lacks in Loki in this time range: the trail's completeness, told by Loki alone. Must be 0.", "max", place(10, 1, 4, 3), step{0, "green"}, step{1, "red"}),
		of(21, "Counted twice", "Below 0: Loki has counted events of a log twice, and a loss can hide behind it.", "min", place(14, 1, 4, 3), step{-1e15, "orange"}, step{0, "green"}),
		bars(17, "Events in Loki", "What Loki has, by instance, counted in Loki itself.", place(18, 1, 6, 3)).
			WithTarget(overTime("A", sum("service_instance_id", count(selector(`audit_log_id!=""`), onePoint)), "{{service_instance_id}}")).
			Legend(common.NewVizLegendOptionsBuilder().ShowLegend(false).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)),
		b,
	}
}

func rate(name string) string     { return "rate(adminsessions_" + name + "[$__rate_interval])" }
func increase(name string) string { return "sum(increase(adminsessions_" + name + "[$__range]))" }

func delivery() []cog.Builder[dashboard.Panel] {
	now := func(id uint32, title, about, unit, expr string, at dashboard.GridPos, steps ...step) cog.Builder[dashboard.Panel] {
		return number(id, title, about, unit, at, steps...).Datasource(prometheus).WithTarget(metricNow("A", expr))
	}
	reachable := number(2, "Loki", "Whether the last push of every panel was acknowledged.", "none", place(0, 24, 4, 3), step{0, "red"}, step{1, "green"}).
		Datasource(prometheus).WithTarget(metricNow("A", "min(adminsessions_exporter_loki_up)")).
		Mappings([]dashboard.ValueMapping{values([]mapping{{"0", "red", "no"}, {"1", "green", "yes"}})})
	return []cog.Builder[dashboard.Panel]{
		reachable,
		now(3, "Backlog", "Events on the panels' disks that Loki has not acknowledged. They are safe, but not yet to be seen. Orange from 10,000, red from 1,000,000.", "locale", "sum(adminsessions_exporter_backlog_events)", place(4, 24, 4, 3), step{10_000, "orange"}, step{1_000_000, "red"}),
		now(4, "Oldest", "Age of the oldest event that Loki has not acknowledged. Orange from 1 minute, red from 10.", "s", "max(adminsessions_exporter_backlog_age_seconds)", place(8, 24, 4, 3), step{60, "orange"}, step{600, "red"}),
		now(5, "Dropped", "Events that the spool did not take, in the time range: lost. Must be 0.", "locale", increase("exporter_events_dropped_total"), place(12, 24, 4, 3), step{0.5, "red"}),
		now(6, "Quarantined", "Events set aside in a file because Loki refuses them, in the time range. Look at the file.", "locale", increase("exporter_events_quarantined_total"), place(16, 24, 4, 3), step{0.5, "orange"}),
		now(22, "Clock skew", "How far the panel's clock is from Loki's, at most. Orange from 5 s, red from 1 minute.", "s", "max(abs(adminsessions_exporter_clock_skew_seconds))", place(20, 24, 4, 3), step{5, "orange"}, step{60, "red"}),
		series(7, "Events", "Recorded: put on disk by the panel. Delivered: acknowledged by Loki. The lines lie on each other while all is well; delivered above recorded is a backlog that drains.", "cps", place(0, 27, 8, 8)).
			WithTarget(metric("A", "sum("+rate("exporter_events_accepted_total")+")", "recorded")).
			WithTarget(metric("B", "sum("+rate("exporter_events_delivered_total")+")", "delivered")),
		quantiles(series(8, "Delivery delay", "From a request's arrival to Loki's acknowledgement, of the oldest event of each push.", "s", place(8, 27, 8, 8)), "exporter_delivery_delay_seconds"),
		series(10, "Lost or set aside, by reason", "Everything that keeps an event from Loki, per minute. All lines must lie at 0.", "cpm", place(16, 27, 8, 8)).
			WithTarget(metric("A", "60 * sum by (reason) ("+rate("exporter_events_dropped_total")+")", "dropped: {{reason}}")).
			WithTarget(metric("B", "60 * sum by (reason) ("+rate("exporter_events_quarantined_total")+")", "quarantined: {{reason}}")).
			WithTarget(metric("C", "60 * sum by (reason) ("+rate("instrumentation_record_failures_total")+")", "not recorded: {{reason}}")).
			WithTarget(metric("D", "60 * sum("+rate("spool_damaged_records_total")+")", "damaged on disk")),
	}
}

// series is a graph of metrics.
func series(id uint32, title, about, unit string, at dashboard.GridPos) *timeseries.PanelBuilder {
	return graph(id, title, about, unit, at).Datasource(prometheus).NoValue(noMetrics)
}

func quantiles(b *timeseries.PanelBuilder, name string) *timeseries.PanelBuilder {
	of := func(q string) string {
		return "histogram_quantile(" + q + ", sum by (le) (" + rate(name+"_bucket") + "))"
	}
	return b.WithTarget(metric("A", of("0.5"), "half")).WithTarget(metric("B", of("0.99"), "99 %"))
}

func machinery() (spool, servers []cog.Builder[dashboard.Panel]) {
	spool = []cog.Builder[dashboard.Panel]{
		series(9, "Backlog over time", "Events waiting on the panel's disk, by instance.", "locale", place(0, 37, 8, 8)).
			WithTarget(metric("A", "sum by (instance) (adminsessions_exporter_backlog_events)", "{{instance}}")),
		series(13, "Spool on disk", "Size of the spool's files by instance, and the limit at which events are dropped or requests wait.", "bytes", place(8, 37, 8, 8)).
			WithTarget(metric("A", "sum by (instance) (adminsessions_spool_size_bytes)", "{{instance}}")).
			WithTarget(metric("B", "min(adminsessions_spool_limit_bytes > 0)", "limit")).
			OverrideByName("limit", []property{fixed("red")}),
		series(14, "Disk free for the spool", "Bytes free on the file system that holds the spool.", "bytes", place(16, 37, 8, 8)).
			WithTarget(metric("A", "min by (instance) (adminsessions_spool_disk_free_bytes)", "{{instance}}")),
		series(11, "Failed pushes by status", "Attempts that Loki did not acknowledge, per minute; each is made again.", "cpm", place(0, 45, 8, 8)).
			WithTarget(metric("A", "60 * sum by (status) ("+rate("exporter_push_failures_total")+")", "{{status}}")),
		quantiles(series(12, "Time of a push", "Time from request to answer of one attempt to push.", "s", place(8, 45, 8, 8)), "exporter_push_duration_seconds"),
		colored(series(15, "Capture", "Requests seen by the middleware, per minute: by type, left out by a filter, folded into a counted record, cut to a limit, refused for want of a record (strict mode).", "cpm", place(16, 45, 8, 8)).
			WithTarget(metric("A", "60 * sum by (type) ("+rate("instrumentation_requests_total")+")", "{{type}}")).
			WithTarget(metric("B", "60 * sum("+rate("instrumentation_requests_filtered_total")+")", "filtered")).
			WithTarget(metric("C", "60 * sum("+rate("instrumentation_events_folded_total")+")", "folded")).
			WithTarget(metric("D", "60 * sum("+rate("instrumentation_fields_cut_total")+")", "fields cut")).
			WithTarget(metric("E", "60 * sum("+rate("instrumentation_requests_refused_total")+")", "refused")), typeColors),
	}
	of := "[$__rate_interval]"
	servers = []cog.Builder[dashboard.Panel]{
		series(18, "Loki: lines received", "Lines that this Loki took in, from all its senders.", "cps", place(0, 38, 8, 7)).
			WithTarget(metric("A", "sum(rate(loki_distributor_lines_received_total"+of+"))", "lines/s")),
		series(19, "Loki: lines discarded, by reason", "Lines that Loki refused, per minute. Loki names a reason only once it has occurred: without any, nothing was refused, or Prometheus does not scrape this Loki.", "cpm", place(8, 38, 8, 7)).
			NoValue("None, or unknown: see Lines received").
			WithTarget(metric("A", "60 * sum by (reason) (rate(loki_discarded_samples_total"+of+"))", "{{reason}}")),
		series(20, "Loki: answers to pushes", "Loki's answers at the push endpoint by status, per minute.", "cpm", place(16, 38, 8, 7)).
			WithTarget(metric("A", "60 * sum by (status_code) (rate(loki_request_duration_seconds_count{route=~`loki_api_v1_push|otlp_v1_logs`}"+of+"))", "{{status_code}}")),
	}
	return spool, servers
}

func pipeline() *builder {
	b := frame(uidPipeline, "Admin Sessions: pipeline", "Is the trail whole, and does it arrive? The upper part is told by Loki, the lower by the panels' own metrics in Prometheus.")
	add(b, service(), environment(), lokiSource(), prometheusSource())
	heading(b, 27, "The trail, by what Loki has")
	for _, p := range completeness() {
		b.WithPanel(p)
	}
	for _, p := range proved() {
		b.WithPanel(p)
	}
	b.WithPanel(verdictTable(30, place(0, 10, 24, 5)))
	b.WithPanel(life(26, place(0, 15, 24, 7)))
	b.WithPanel(text.NewPanelBuilder().Id(23).Title("").Description("What the panels below need.").Transparent(true).GridPos(place(0, 22, 24, 2)).
		Mode(text.TextModeMarkdown).
		Content("**From here on Prometheus tells, which must scrape the panels' metrics.** Where it does not, the panels below say *unknown*: that is neither good nor bad news. What is above needs Loki alone."))
	for _, p := range delivery() {
		b.WithPanel(p)
	}
	spool, servers := machinery()
	row := func(id, y uint32, title string, panels []cog.Builder[dashboard.Panel]) {
		r := dashboard.NewRowBuilder(title).Id(id).GridPos(place(0, y, 24, 1)).Collapsed(true)
		for _, p := range panels {
			r = r.WithPanel(p)
		}
		b.WithRow(r)
	}
	row(34, 35, "Proof: checkpoints and anchors", proofOverTime())
	row(24, 36, "Spool, pushes and capture", spool)
	row(25, 37, "Loki itself", servers)
	return b
}
