package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// changed is a line's changes in words, "status: active → closed", fields that
// were set first, then those that were removed. logfmt has made was_status and
// now_status of them. No dashboard has variables of the names k, v and f: Grafana
// leaves those to the template.
var changed = cell{"changed", `{{ range $k, $v := . }}{{ if hasPrefix "now_" $k }}{{ $f := trimPrefix "now_" $k }}{{ $f }}: {{ with index $ (printf "was_%s" $f) }}{{ .` + tidy + ` }}{{ else }}–{{ end }} → {{ $v` + tidy + ` }}` + "\n" + `{{ end }}{{ end }}` +
	`{{ range $k, $v := . }}{{ if hasPrefix "was_" $k }}{{ $f := trimPrefix "was_" $k }}{{ if not (index $ (printf "now_%s" $f)) }}{{ $f }}: {{ $v` + tidy + ` }} → –` + "\n" + `{{ end }}{{ end }}{{ end }}`}

// why and outcome are cells beside it.
var (
	why     = cell{"why", `{{ .reason` + tidy + ` }}`}
	outcome = word("outcome")
)

var (
	changedColumn = column{field: "changed", title: "Changes", least: 220, more: []property{wrapped, inspected}}
	whyColumn     = column{field: "why", title: "Reason", least: 150, more: []property{inspected}}
)

// ofChanges are the acts that have changed something: first the lines that hold a
// change's name anywhere, then those that have one.
func ofChanges() string {
	return selector(checked("search"), checked("admin")) + " |~ ` (?:was|now)\\.`" + ours + `
  | pattern "<human>\t<_>" | ` + optional("search", matches("human", "(?i).*"+in("search")+".*")) + `
  | pattern "type=<type> method=<method> status=<status> <mail> ip=<ip> id=<id> <_>"` + ofAdmins + ` | method!="" | ` +
		optional("admin", matches("mail", "(?i)email=.*"+in("admin")+".*")+" or "+matches("id", in("admin"))) +
		"\n  | " + matches("human", `.* (?:was|now)\.[\w.-]+=".*`) + " | drop human"
}

func changes() *builder {
	b := frame(uidChanges, "Admins: changes", "What was changed, by whom: old and new values of every act that says them.")
	add(b, search(),
		textBox("admin", "Admin", "Part of an administrator's e-mail address, or a whole user id."),
		service(), environment(), lokiSource())
	columns := append([]column{whenColumn, whoColumn, fromColumn, {field: "act", title: "Action", width: 150, more: []property{inspected}}, thingColumn, changedColumn, whyColumn}, behind...)
	for _, p := range []cog.Builder[dashboard.Panel]{
		requests(1, "The newest 500 changes ${admin}", "Newest first, what was done and what may have been. A field that was set reads – → new, one that was removed old → –. A dot in a field's name reads as an underscore.",
			ofChanges()+shown(changed, why), 500, place(0, 0, 24, 24), columns...).
			Transformations(append(ofRows(changed, why), only(columns)...)),
	} {
		b.WithPanel(p)
	}
	return b
}

// history are the events that are about one object: first the lines that hold
// its id anywhere, then those whose object it is.
func history() string {
	return selector(checked("object_id"), checked("object")) + " |~ `object_id=\"" + in("object_id") + "\"`" + ours + `
  | pattern "<human>\t<_>" | ` + matches("human", `.* `+field("object_id")+`="`+in("object_id")+`".*`) +
		" | " + optional("object", matches("human", `.* `+field("object")+`="`+in("object")+`" `+field("object_id")+`=".*`)) + `
  | pattern "type=<type> method=<method> status=<_> email=<_> ip=<_> id=<_> action=<action> <_>"` + ofAdmins + ` | method!="" | `
}

// looks holds for what changes nothing, by the method or, without a request, by
// the act; acts is the rest.
const (
	looks = "method=~`GET|HEAD|OPTIONS|QUERY` or method=\"-\" and action=~`(?:.*\\.)?(?:view|list|show|search|select)`"
	acts  = "method!~`GET|HEAD|OPTIONS|QUERY|-` or method=\"-\" and action!~`(?:.*\\.)?(?:view|list|show|search|select)`"
)

func ofObject() *builder {
	b := frame(uidObject, "Object history", "What was done to one thing, and who looked at it: client 7731.")
	b.Time("now-30d", "now")
	add(b,
		textBox("object", "Kind", "What kind of thing, whole, as events name it: clients. Empty: any kind with the id."),
		textBox("object_id", "Id", "Which one, whole: 7731. A quote or backslash in it has a backslash before it."),
		service(), environment(), lokiSource())
	table := func(id uint32, title, about, expr string, at dashboard.GridPos, columns ...column) cog.Builder[dashboard.Panel] {
		columns = append(columns, behind...)
		return requests(id, title, about, expr+" | drop human"+shown(changed, why, outcome), 500, at, columns...).
			NoValue("Nothing of this object in this time range, or the query failed").
			Transformations(append(ofRows(changed, why, outcome), only(columns)...))
	}
	// Only one column is wrapped: Grafana measures a row by the column whose text is
	// longest for its width, and would cut a list of short changes.
	act := column{field: "act", title: "Action", least: 150, more: []property{inspected}}
	name := column{field: "thing", title: "Object", least: 150, more: []property{inspected}}
	for _, p := range []cog.Builder[dashboard.Panel]{
		table(1, "What was done to ${object} ${object_id}", "The newest 500 acts in the time range, by requests that may change something, by commands and by jobs, done or not: see the outcome.",
			history()+acts, place(0, 0, 24, 14), whenColumn, whoColumn, typeColumn, act, name, changedColumn, whyColumn, outcomeColumn),
		table(2, "Who looked at it", "The newest 500 requests that changed nothing.",
			history()+looks, place(0, 14, 24, 10), whenColumn, whoColumn, fromColumn, typeColumn, act, name, whereColumn, outcomeColumn),
	} {
		b.WithPanel(p)
	}
	return b
}
