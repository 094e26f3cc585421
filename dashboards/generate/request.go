package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/adminsessions/adminsessions"
)

// byID are the lines of one request, or of all of a session: first those that
// hold the word anywhere, then those that have it in its place, compared with its
// key and the space behind it: an empty value would match every other.
func byID(name string) string {
	words := map[string]string{
		"session": `<_>\t<word>request=<_>`,
		"request": `<_>\tsession=<_> <word>ms=<_>`,
	}
	return selector(checked(name)) + " |~ `" + name + "=" + in(name) + "`" + ours +
		` | pattern "` + words[name] + `" | ` + matches("word", name+"="+in(name)+" ") + ` | word!="` + name + `=- "`
}

// caused are the acts that go back to a request: jobs that it has queued.
func caused() string {
	return selector(checked("request")) + " |~ `cause=\"" + in("request") + "\"`" + ours +
		` | pattern "<_>\tsession=<word> <_>" | word!="" | logfmt | cause!="" | ` + matches("cause", in("request"))
}

// compared turns the labels of one line, asked for twice, into a row a change: what
// logfmt has made of was.status and now.status, joined by the field. Turning takes
// the first field, Line, for a heading.
func compared() []dashboard.DataTransformerConfig {
	of := func(letter, id string, options map[string]any) dashboard.DataTransformerConfig {
		return dashboard.DataTransformerConfig{Id: id, Filter: &dashboard.MatcherConfig{Id: "byRefId", Options: refID(letter)}, Options: options}
	}
	names := func(letter, prefix string) dashboard.DataTransformerConfig {
		return of(letter, "filterFieldsByName", map[string]any{"include": map[string]any{"pattern": "/^(?:Line|" + prefix + "_.*)$/"}})
	}
	turned := func(letter, heading string) dashboard.DataTransformerConfig {
		return of(letter, "transpose", map[string]any{"firstFieldName": "Field", "restFieldsName": heading})
	}
	return []dashboard.DataTransformerConfig{
		{Id: "extractFields", Options: map[string]any{"source": "labels", "format": "json", "replace": false, "keepTime": false}},
		names("A", "was"), names("B", "now"),
		{Id: "renameByRegex", Options: map[string]any{"regex": "^(?:was|now)_(.*)$", "renamePattern": "$1"}},
		turned("A", "Before"), turned("B", "After"),
		{Id: "joinByField", Options: map[string]any{"byField": "Field", "mode": "outer"}},
	}
}

// titles are the headings of fields, in the order in which the details of a
// request show them; the rest follows under its own name. The line is only a
// heading that nobody sees.
var titles = []struct{ field, title string }{
	{"Line", "Line"}, {"when", "Date"}, {"action", "Action"}, {"outcome", "Outcome"},
	{"reason", "Reason"},
	{"name", "Admin"}, {"email", "E-mail"}, {"id", "Id"},
	{"actor", "Actor"}, {"credential", "Credential"}, {"tenant", "Tenant"},
	{"ip", "IP address"}, {"country", "Country"}, {"city", "City"}, {"network", "Network"},
	{"method", "Method"}, {"sent_method", "Method as sent"}, {"url", "URL"}, {"route", "Route"},
	{"status", "Status"}, {"code", "Status so far"}, {"ms", "Duration, ms"}, {"error", "Error"},
	{"object", "Object"}, {"object_id", "Object's id"}, {"object_name", "Object's name"},
	{"note", "Note"},
	{"as_name", "Acting as"}, {"as_email", "Acting as, e-mail"}, {"as_id", "Acting as, id"},
	{"signin", "Sign-in"}, {"tried", "Name tried"},
	{"count", "Requests in this record"}, {"since", "First of them"},
	{"type", "Type"}, {"ua", "User agent"}, {"cause", "Caused by the request"}, {"checkpoint", "Checkpoint, signed"},
	{"session", "Session"}, {"request", "Request"}, {"trace", "Trace"}, {"span", "Span"},
	{"cut", "Cut to their limits"},
	{"service_name", "Service"}, {"deployment_environment_name", "Environment"}, {"service_instance_id", "Instance"},
	{"audit_log_id", "Log"}, {"seq", "Number in the log"}, {"at", "Arrived, ns"},
}

// details orders and names the fields of one line for reading.
func details() []dashboard.DataTransformerConfig {
	order, names := map[string]int{}, map[string]string{}
	listed := map[string]bool{}
	for i, t := range titles {
		order[t.field], names[t.field], listed[t.field] = i, t.title, true
	}
	for f := range adminsessions.Fields() {
		if f.Name != "" && !listed[f.Name] {
			panic("no heading for the field " + f.Name)
		}
	}
	return []dashboard.DataTransformerConfig{
		{Id: "extractFields", Options: map[string]any{"source": "labels", "format": "json", "replace": false, "keepTime": false}},
		{Id: "filterFieldsByName", Options: map[string]any{"exclude": map[string]any{"names": []string{"labels", "Time", "tsNs", "labelTypes", "word"}, "pattern": "/^(?:was|now)_/"}}},
		{Id: "organize", Options: map[string]any{"excludeByName": map[string]any{}, "includeByName": map[string]any{}, "indexByName": order, "renameByName": names}},
		{Id: "transpose", Options: map[string]any{"firstFieldName": "Field", "restFieldsName": "Value"}},
	}
}

// whole shows all of a text, in as many lines as it takes.
func whole(c column) column {
	c.width, c.least = 0, 110
	return c.with(wrapped)
}

func request() *builder {
	b := frame(uidRequest, "Admin request", "Every field of one request, and what else was done in its session.")
	add(b,
		textBox("request", "Request", "The id of the request, as in its X-Request-Id header."),
		textBox("session", "Session", "The session as stored: a keyed hash, never the session's own id."),
		service(), environment(), lokiSource())
	columns := append([]column{whenColumn, whoColumn, ipColumn, typeColumn, methodColumn,
		whole(actColumn), whole(thingColumn), whole(whereColumn), statusColumn, outcomeColumn,
		{field: "cause", title: "Caused by", width: 92, more: []property{unfiltered, links(link("The request that this act goes back to", toRequestOf("cause", "")))}}}, behind...)
	around := append([]column{whenColumn, whoColumn, ipColumn, typeColumn, methodColumn, actColumn, thingColumn, whereColumn, statusColumn, tookColumn}, behind...)
	none := "No request with this id in this time range, or the query failed"
	cause := word("cause")
	old, now := column{field: "Before", title: "Old", least: 200}, column{field: "After", title: "New", least: 200}
	value := func(color string) []property {
		return []property{wrapped, fixed(color), drawn("color-text"), {Id: "noValue", Value: "–"}}
	}
	for _, p := range []cog.Builder[dashboard.Panel]{
		requests(1, "Request", "The request as in Admin Sessions. Two rows: it went on long enough to be recorded when that was seen, and again when it ended.",
			byID("request")+shown(outcome, cause), 10, place(0, 0, 24, 5), columns...).NoValue(none).
			Transformations(append(ofRows(outcome, cause), only(columns)...)),
		tableOf(4, "Changes", "What the newest event with this id has changed: old values red, new ones green. A dot in a field's name reads as an underscore.", "No changes are said, or the query failed", place(0, 5, 24, 7),
			column{field: "Field", title: "Field", width: 200}, old.with(value("red")...), now.with(value("green")...)).
			Filterable(false).
			WithTarget(lines(byID("request")+" | logfmt", 1)).
			WithTarget(lines(byID("request")+" | logfmt", 1).RefId(refID("B"))).
			Transformations(compared()),
		tableOf(2, "Details", "Each field that is known. docs/events.md says what each means.", none, place(0, 12, 24, 20),
			column{field: "Field", title: "Field", width: 200}, column{field: "Value", title: "Value", least: 300, more: []property{wrapped}}).
			Filterable(false).
			WithTarget(lines(byID("request")+" | logfmt | label_format when=`{{ __timestamp__.UTC.Format \"2006-01-02 15:04:05.000 UTC\" }}`", 10)).
			Transformations(details()),
		requests(5, "Acts that it caused", "Jobs and other acts without a request that go back to this one, the newest 200 in the time range.",
			caused()+shown(), 200, place(0, 32, 24, 7), around...).NoValue("None, or the query failed"),
		requests(3, "The same session", "The newest 200 requests of the session in the time range.",
			byID("session")+shown(), 200, place(0, 39, 24, 12), around...).NoValue("No session, or the query failed"),
	} {
		b.WithPanel(p)
	}
	return b
}
