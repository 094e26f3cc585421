package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// ownLife are the events that the trail writes of itself, without checkpoints, which
// are many, and verifications, which have a table of their own. A line without a log is
// none: only the exporter writes them.
func ownLife() string {
	return selector(`audit_log_id!=""`) + " |= `type=TRAIL `" + ours + ` ` + words("type", "action") + ` | type="TRAIL" | action!="trail.checkpoint" | action!="trail.verified"`
}

// lifeCells are what the table of the trail's own life shows.
var lifeCells = []cell{
	when, word("outcome"), word("request"),
	{"from", `{{ sub (__timestamp__ | unixEpochMillis) 86400000 }}`},
	{"to", `{{ add (__timestamp__ | unixEpochMillis) 3600000 }}`},
	{"what", `{{ trimPrefix "trail." .action | replace "_" " " }}`},
	{"service", `{{ .service_name }}`}, {"instance", `{{ .service_instance_id }}`}, {"log", `{{ .audit_log_id }}`},
	{"who", `{{ if .name }}{{ .name` + tidy + ` }}{{ if ne .email "-" }} · ` + person + `{{ end }}` + noName},
	{"words", `{{ .note | replace "\n" "; " }}`},
}

// life is the table of what happened to the trail itself.
func life(id uint32, at dashboard.GridPos) cog.Builder[dashboard.Panel] {
	to := links(link("Every detail", toRequestOf("request", "")))
	columns := []column{
		dateColumn.with(to),
		{field: "what", title: "What", width: 120, more: []property{to}},
		outcomeColumn,
		{field: "words", title: "In words", least: 240, more: []property{inspected}},
		{field: "who", title: "By", width: 120},
		{field: "service", title: "Service", width: 110}, {field: "instance", title: "Instance", width: 110}, {field: "log", title: "Log", width: 120, more: []property{inspected}},
		carried("request"), carried("from"), carried("to"),
	}
	return sortedBy(tableOf(id, "The trail's own life", "What the trail records of itself: started, stopped, events lost or set aside, Loki away and back. Checkpoints and verifications stand above. None of it is an act of an administrator, and no other panel counts it as one. The newest 200.",
		"Nothing in this time range, or the query failed", at, columns...), "Date").
		WithTarget(lines(ownLife()+" | logfmt"+rowOf(lifeCells), 200)).
		Transformations(append(cellsOf(lifeCells), only(columns)...))
}
