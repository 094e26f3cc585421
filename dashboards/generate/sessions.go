package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
)

// mostRows is how many requests the table of Admin Sessions lists.
const mostRows = 1000

// found is the search alone: the text anywhere in the line first, which is
// cheap, then exactly in the part for people.
func found() string {
	return selector(checked("search")) + " |~ `(?i)" + in("search") + "`" + ours + `
  | pattern "<human>\t<_>" | ` + optional("search", matches("human", "(?i).*"+in("search")+".*"))
}

// chosen is what Admin Sessions shows: the search and every filter.
func chosen() string {
	return found() + `
  | pattern "type=<type> method=<method> status=<status> <mail> ip=<ip> id=<id> action=<action> outcome=<outcome> <_>"` + ofAdmins + ` | ` +
		matches("type", in("type")) + " | " +
		matches("method", in("method")) + " | " +
		matches("status", in("status")+"(?:..)?") + "\n  | " +
		optional("admin", matches("mail", "(?i)email=.*"+in("admin")+".*")+" or "+matches("id", in("admin"))) + "\n  | " +
		optional("ip", matches("ip", in("ip")+"(?:[.:].*)?")) + "\n  | " +
		optional("action", matches("action", `(?:.*\.)?`+in("action")+`(?:\..*)?`)) + "\n  | " +
		optional("outcome", matches("outcome", in("outcome")+`(?:\t.*)?`)) + "\n  | " +
		optional("object", says("object", in("object"))+" or "+says("object_id", in("object"))+" or "+says("object_name", in("object"))) + "\n  | " +
		optional("tenant", says("tenant", in("tenant"))) + "\n  | " +
		byActor() + "\n " +
		hidden
}

// byActor compares the kind of actor. A line that says none is of a user, whose
// value is the word that every line begins with.
func byActor() string {
	return optional("actor", says("actor", in("actor"))) +
		" or " + matches("human", in("actor")+"=.*") + " and " + `human!~` + "`(?i).* " + field("actor") + `="(?:service|agent|system)".*` + "`"
}

// actors is the variable that byActor reads.
func actors() dashboard.VariableModel {
	return choice("actor", "Actor", "Who acts: a user, another program (service), a program that decides by itself for a user (agent), the panel itself (system).", ".*",
		"user : type", "service", "agent", "system")
}

// cell is a field that a query makes of a line for a table.
type cell struct{ name, template string }

// when is the entry's time. Taken from the line, and not from the entry, there is
// no column without a row, and an empty table says what that means.
var when = cell{"when", "{{ __timestamp__.UTC.Format \"2006-01-02T15:04:05.000Z\" }}"}

// tidy ends a template's text without the TAB that separates cells.
const tidy = ` | replace "\t" " "`

const (
	// person is the e-mail address. Words are percent-encoded; a plus sign is
	// itself.
	person = `{{ .email | replace "+" "%2B" | urldecode` + tidy + ` }}`
	// noName is who acted, where there is no name.
	noName = `{{ else if ne .email "-" }}` + person + `{{ else if ne .id "-" }}{{ .id }}{{ else if .tried }}“{{ .tried` + tidy + ` }}” tried{{ else if .actor }}{{ .actor` + tidy + ` }}{{ else }}–{{ end }}`
	// kindOfActor stands behind a name where it is not a user who acts.
	kindOfActor = `{{ if and .actor (ne .actor "user") (or .name (ne .email "-") (ne .id "-")) }} · {{ .actor` + tidy + ` }}{{ end }}`
	// object is what an act is done to, in one word.
	object = `{{ if .object_name }} {{ .object_name` + tidy + ` }}{{ else if .object_id }} {{ .object_id` + tidy + ` }}{{ end }}`
	// asInLine is a text as it stands between quotes in the line, for links: a
	// query compares it there.
	asInLine = ` | replace "\\" "\\\\" | replace "\"" "\\\""` + tidy
)

// cells are what a table of requests shows of a line, and what its links need:
// fields as they are, and texts made of several. The last may hold anything.
var cells = []cell{
	when, word("type"), word("method"), word("status"), word("ip"), word("ms"), word("request"), word("session"),
	// A link to a request holds its time, so that it finds it for ever. A long one
	// was recorded when it began, too, at most a day before.
	{"from", `{{ sub (__timestamp__ | unixEpochMillis) 86400000 }}`},
	{"to", `{{ add (__timestamp__ | unixEpochMillis) 3600000 }}`},
	{"key", `{{ if ne .email "-" }}{{ .email }}{{ else }}{{ .id }}{{ end }}`},
	{"path", `{{ if .host }}/{{ .rest }}{{ end }}`},
	{"where", `{{ if .host }}/{{ .rest }} — {{ .host }}{{ else }}{{ .url` + tidy + ` }}{{ end }}`},
	{"who", `{{ if .name }}{{ .name` + tidy + ` }}{{ if ne .email "-" }} · ` + person + `{{ end }}` + noName + kindOfActor},
	{"kind", `{{ .object` + asInLine + ` }}`},
	{"of", `{{ .object_id` + asInLine + ` }}`},
	{"thing", `{{ .object` + tidy + ` }}{{ if .object_id }} {{ .object_id` + tidy + ` }}{{ end }}{{ if .object_name }} {{ .object_name` + tidy + ` }}{{ end }}`},
	{"act", `{{ if .count }}{{ .count }} × {{ end }}{{ if ne .action "-" }}{{ .action }}{{ end }}{{ if .signin }} sign-in {{ .signin }}{{ end }}` +
		`{{ if .as_name }} as {{ .as_name }}{{ else if .as_email }} as {{ .as_email }}{{ else if .as_id }} as {{ .as_id }}{{ end }}` +
		`{{ if .note }} – {{ .note | replace "\n" "; " }}{{ end }}`},
}

func word(name string) cell { return cell{name, "{{ ." + field(name) + " }}"} }

// shown makes a row of each of the lines that are left, of the cells and more.
func shown(more ...cell) string {
	return `
  | pattern "<_> url=\"<_>://<host>/<rest>\"<_>" | logfmt` + rowOf(append(more, cells...))
}

// rowOf makes a line of the cells, separated by TABs. What a row costs Loki and
// the browser is mostly its labels, so all but one go.
func rowOf(cells []cell) string {
	var row []string
	for _, c := range cells {
		row = append(row, c.template)
	}
	return `
  | line_format ` + "`" + strings.Join(row, "\t") + "`" + ` | keep service_name`
}

// ofRows takes the cells out of the lines that shown makes.
func ofRows(more ...cell) []dashboard.DataTransformerConfig { return cellsOf(append(more, cells...)) }

// cellsOf takes the cells out of the lines that rowOf makes.
func cellsOf(cells []cell) []dashboard.DataTransformerConfig {
	var groups []string
	for _, c := range cells {
		groups = append(groups, "(?<"+c.name+`>[^\t]*)`)
	}
	last := len(groups) - 1
	groups[last] = strings.Replace(groups[last], `[^\t]*`, `[\s\S]*`, 1)
	return []dashboard.DataTransformerConfig{{Id: "extractFields", Options: map[string]any{
		"source": "Line", "format": "regexp", "regExp": "/^" + strings.Join(groups, `\t`) + "$/", "replace": false, "keepTime": false,
	}}, {Id: "convertFieldType", Options: map[string]any{
		"conversions": []map[string]any{{"targetField": "ms", "destinationType": "number"}, {"targetField": "when", "destinationType": "time"}},
		"fields":      map[string]any{},
	}}}
}

// filters are the variables that links within Admin Sessions keep.
var filters = append([]string{"search", "type", "method", "status", "admin", "ip", "action", "object", "outcome", "actor", "tenant", "hide_me"}, common3...)

func without(list []string, name string) []string {
	var rest []string
	for _, n := range list {
		if n != name {
			rest = append(rest, n)
		}
	}
	return rest
}

// toRequest leads to every detail of the row's request.
func toRequest() string { return toRequestOf("request", "session") }

// toRequestOf leads to the request, and the session, that fields of the row name.
func toRequestOf(request, session string) string {
	url := "/d/" + uidRequest + "?from=${__data.fields.from}&to=${__data.fields.to}&${loki:queryparam}&" + to("request", request)
	if session != "" {
		url += "&" + to("session", session)
	}
	return url
}

var (
	whoColumn = column{field: "who", title: "Admin", least: 130, more: []property{links(
		link("Everything about this admin", here(uidAdmin, common3, to("admin", "key"))),
		link("Only this admin", here(uidSessions, without(filters, "admin"), to("admin", "key"))),
	)}}
	actColumn   = column{field: "act", title: "Action", least: 100, more: []property{inspected}}
	thingColumn = column{field: "thing", title: "Object", least: 100, more: []property{inspected, links(
		link("History of this object", here(uidObject, common3, to("object", "kind"), to("object_id", "of"))),
		link("Only this object", here(uidSessions, without(filters, "object"), to("object", "of"))),
	)}}
	whereColumn = column{field: "where", title: "URL", least: 100, more: []property{inspected, links(
		link("Every detail of this request", toRequest()),
		link("Search for this path", here(uidSessions, without(filters, "search"), to("search", "path"))),
	)}}
	whenColumn = dateColumn.with(links(link("Every detail of this request", toRequest())))
	fromColumn = ipColumn.with(links(link("Only this IP address", here(uidSessions, without(filters, "ip"), to("ip", "ip")))))
	behind     = []column{carried("request"), carried("session"), carried("key"), carried("path"), carried("from"), carried("to"), carried("kind"), carried("of")}
)

// whatWasFound says what the number found means for the list.
func whatWasFound() []dashboard.ValueMapping {
	says := func(from, to *float64, text string, index int32) dashboard.ValueMapping {
		return dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{
			Type:    dashboard.MappingTypeRangeToText,
			Options: dashboard.DashboardRangeMapOptions{From: from, To: to, Result: dashboard.ValueMappingResult{Text: &text, Index: &index}},
		}}
	}
	return []dashboard.ValueMapping{
		says(new(0.0), new(0.0), "Nothing matches: widen the time range or clear a filter", 0),
		says(new(1.0), new(float64(mostRows)), "All of them are listed", 1),
		says(new(mostRows+1.0), nil, "Only the newest 1,000 are listed, and sorted: narrow it down", 2),
	}
}

// remark repeats the number of another panel in words.
func remark(id, of uint32, at dashboard.GridPos) *stat.PanelBuilder {
	return number(id, "", "Whether the table lists all that was found, and what to do if it does not.", "locale", at, step{mostRows + 1, "orange"}).
		Datasource(panelResult).
		WithTarget(fromPanel(of, false)).
		Mappings(whatWasFound()).Text(common.NewVizTextDisplayOptionsBuilder().ValueSize(13))
}

func sessions() *builder {
	b := frame(uidSessions, "Admin Sessions", "Every request that somebody made to an admin panel: who, from where, what, and how it ended. Needs Grafana 12.3 or later (Hide Me is a switch variable).")
	add(b, search(),
		choice("method", "Method", "HTTP method. OTHER: a method that HTTP does not know.", ".+", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "OTHER : _OTHER"),
		choice("status", "Status", "Class of the answer's status. open: requests that go on.", ".*", "2xx : 2", "3xx : 3", "4xx : 4", "5xx : 5", "open : started"),
		hideMe(),
		inMenu(ofTypes()),
		inMenu(textBox("admin", "Admin", "Part of an administrator's e-mail address, or a whole user id. For a name use Search.")),
		inMenu(textBox("action", "Action", "A whole action, or words of it between dots: clients.delete, clients, delete.")),
		inMenu(textBox("object", "Object", "The whole kind, id or name of what was acted on: clients, 7731, Acme.")),
		inMenu(choice("outcome", "Outcome", "success: done. denied: not allowed. failure: not possible as asked. error: the panel failed.", ".*", "success", "denied", "failure", "error")),
		inMenu(actors()),
		inMenu(textBox("tenant", "Tenant", "The whole id of a tenant.")),
		inMenu(textBox("ip", "IP", "A whole address, or the front part of one up to a dot or colon: 10.2 finds 10.2.0.0/16.")),
		service(), environment(), lokiSource())

	columns := append([]column{whenColumn, whoColumn, fromColumn, typeColumn, methodColumn, actColumn, thingColumn, whereColumn, statusColumn, tookColumn}, behind...)
	for _, p := range []cog.Builder[dashboard.Panel]{
		colored(bars(1, "Requests over time", "Matching requests by type. Drag over the bars to zoom the whole dashboard to that time.", place(0, 0, 15, 4)), typeColors).
			WithTarget(overTime("A", sum("type", count(chosen(), onePoint)), "{{type}}")),
		counted(2, "Found", "All requests in the time range that match the search and the filters, listed or not.", orZero(sum("", count(chosen(), wholeRange))), place(15, 0, 4, 4)),
		remark(5, 2, place(19, 0, 5, 4)),
		requests(3, "The newest 1,000 admin requests ${admin} ${ip} ${action} ${object} ${tenant}", "Newest first. A heading sorts these 1,000, the funnel in it filters them. The date and the URL lead to every detail of the request, for good: that link holds its time. An admin or an IP address leads to the same admin or address, an object to its history. A row with the status open is a request that went on when it was written; its final row follows.",
			chosen()+shown(), mostRows, place(0, 4, 24, 24), columns...),
	} {
		b.WithPanel(p)
	}
	return b
}
