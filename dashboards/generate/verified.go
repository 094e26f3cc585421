package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// ofTrail are the trail's own events of an action, with every field, of the
// streams selected.
func ofTrail(streams, action string) string {
	return streams + " |= `action=trail." + action + " `" + ours + words("type", "action") + ` | type="TRAIL" | action="trail.` + action + `" | logfmt`
}

// verifications are the events that scheduled verifications leave.
func verifications() string { return ofTrail(selector(`audit_log_id!=""`), "verified") }

// The verdict of a verification as a number, and back.
const verdict = ` | label_format n="{{ if eq .outcome \"success\" }}2{{ else if eq .outcome \"failure\" }}0{{ else }}1{{ end }}" | unwrap n`

var verdicts = []mapping{{"2", "green", "complete, unaltered"}, {"1", "orange", "can't be judged"}, {"0", "red", "not as written"}}

// upTo is the time up to which a verification has proved the trail, in
// milliseconds.
const upTo = " | attr_up_to!=\"\" | label_format n=`{{ toDate \"2006-01-02T15:04:05.999999999Z07:00\" .attr_up_to | unixEpochMillis }}` | unwrap n"

func proved() []cog.Builder[dashboard.Panel] {
	by := "service_name, service_instance_id"
	last := func(pipeline string) string {
		return "last_over_time(" + pipeline + " [" + wholeRange + "]) by (" + by + ")"
	}
	return []cog.Builder[dashboard.Panel]{
		number(28, "Verified up to", "Up to when the trail is proved complete and unaltered, by signed checkpoints: told by the scheduled verification (adminsessions verify --every, or in the panel). Of several, the one that is furthest.", "dateTimeFromNow", place(0, 1, 5, 3)).Datasource(loki).
			WithTarget(instantly("A", "max("+last(verifications()+upTo)+")")),
		number(29, "Verdict", "What the newest verification found; of several that verify, the worst. Every declared or erased event is no finding.", "none", place(5, 1, 5, 3)).Datasource(loki).
			Mappings([]dashboard.ValueMapping{values(verdicts)}).
			WithTarget(instantly("A", "min("+last(verifications()+verdict)+")")),
	}
}

// counts is a cell with what a verification has counted: "missing 2, altered 1".
func counts(name string, kinds ...string) cell {
	var b strings.Builder
	for _, kind := range kinds {
		b.WriteString("{{ if .attr_" + kind + " }}" + kind + " {{ .attr_" + kind + " }} {{ end }}")
	}
	return cell{name, b.String()}
}

var verdictCells = []cell{
	when, word("outcome"), word("request"),
	{"from", `{{ sub (__timestamp__ | unixEpochMillis) 86400000 }}`},
	{"to", `{{ add (__timestamp__ | unixEpochMillis) 3600000 }}`},
	{"instance", `{{ .service_name }} {{ .service_instance_id }}`},
	{"complete", `{{ .attr_complete }}`}, {"unaltered", `{{ .attr_unaltered }}`}, {"proved", `{{ trunc 19 .attr_up_to | replace "T" " " }}`},
	counts("findings", "missing", "altered", "doubled", "forked", "foreign"), counts("declared", "declared", "erased", "accepted"),
	{"words", `{{ .note | replace "\n" "; " }}`},
}

// verdictTable lists what verifications have found: by them missing heads, tails
// and whole logs count, and nothing that is there twice hides a loss.
func verdictTable(id uint32, at dashboard.GridPos) cog.Builder[dashboard.Panel] {
	to := links(link("Every detail", toRequestOf("request", "")))
	said := func(field, title string) column {
		return column{field: field, title: title, width: 88, more: []property{unfiltered, drawn("color-text"), mapped(values([]mapping{{"yes", "green", ""}, {"no", "red", ""}, {"accepted", "orange", ""}, {"unknown", "orange", ""}}))}}
	}
	columns := []column{
		dateColumn.with(to), {field: "instance", title: "By", width: 130}, said("complete", "Complete"), said("unaltered", "Unaltered"),
		{field: "proved", title: "Proved up to, UTC", width: 160, more: []property{unfiltered}},
		{field: "findings", title: "Found", least: 140, more: []property{wrapped, fixed("red"), drawn("color-text")}},
		{field: "declared", title: "On record", width: 150},
		{field: "words", title: "In words", least: 160, more: []property{inspected}},
		carried("request"), carried("from"), carried("to"),
	}
	return sortedBy(tableOf(id, "Verifications", "What scheduled verifications found, in numbers of events, the newest 50. Found must be empty: missing, altered, doubled (different entries of one number), forked (two histories, both signed), foreign. On record: lost with a reason, or erased.",
		"No verification in this time range, or the query failed", at, columns...), "Date").
		WithTarget(lines(verifications()+rowOf(verdictCells), 50)).
		Transformations(append(cellsOf(verdictCells), only(columns)...))
}

// proofOverTime is what the panels' own metrics tell of checkpoints and anchors.
func proofOverTime() []cog.Builder[dashboard.Panel] {
	return []cog.Builder[dashboard.Panel]{
		series(31, "Age of the last checkpoint", "Since when nothing was signed, by instance. It grows while nothing happens: a checkpoint is made of events only.", "s", place(0, 36, 8, 7)).
			WithTarget(metric("A", "time() - max by (instance) (adminsessions_exporter_checkpoint_timestamp_seconds > 0)", "{{instance}}")),
		series(32, "Waiting for an anchor", "Checkpoints that are not yet where the panel's machine can't rewrite them, by anchor. Must come back to 0.", "locale", place(8, 36, 8, 7)).
			WithTarget(metric("A", "sum by (anchor) (adminsessions_exporter_anchor_waiting)", "{{anchor}}")),
		series(33, "Failures of the proof", "Per minute: attempts to sign or to anchor that failed and are made again, checkpoints given up, verifications by a result that is not good.", "cpm", place(16, 36, 8, 7)).
			WithTarget(metric("A", "60 * sum("+rate("exporter_checkpoint_failures_total")+")", "not signed")).
			WithTarget(metric("B", "60 * sum by (anchor) ("+rate("exporter_anchor_failures_total")+")", "not anchored: {{anchor}}")).
			WithTarget(metric("C", "60 * sum by (anchor) ("+rate("exporter_anchor_dropped_total")+")", "given up: {{anchor}}")).
			WithTarget(metric("D", "60 * sum by (result) (rate(adminsessions_verify_runs_total{result!=\"good\"}[$__rate_interval]))", "verified: {{result}}")),
	}
}
