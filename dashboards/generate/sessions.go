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
  | pattern "type=<type> method=<method> status=<status> <mail> ip=<ip> id=<id> <_>" | ` +
		matches("type", in("type")) + " | " +
		matches("method", in("method")) + " | " +
		matches("status", in("status")+"(?:..)?") + "\n  | " +
		optional("admin", matches("mail", "(?i)email=.*"+in("admin")+".*")+" or "+matches("id", in("admin"))) + "\n  | " +
		optional("ip", matches("ip", in("ip")+"(?:[.:].*)?")) + "\n " +
		hidden
}

// cell is a field that a query makes of a line for a table.
type cell struct{ name, template string }

// tidy ends a template's text without the TAB that separates cells.
const tidy = ` | replace "\t" " "`

const (
	// person is the e-mail address. Words are percent-encoded; a plus sign is
	// itself.
	person = `{{ .email | replace "+" "%2B" | urldecode` + tidy + ` }}`
	// noName is who acted, where there is no name.
	noName = `{{ else if ne .email "-" }}` + person + `{{ else if ne .id "-" }}{{ .id }}{{ else if .tried }}“{{ .tried` + tidy + ` }}” tried{{ else }}–{{ end }}`
	object = `{{ if .object_name }} {{ .object_name` + tidy + ` }}{{ else if .object_id }} {{ .object_id` + tidy + ` }}{{ end }}`
)

// cells are what a table of requests shows of a line, and what its links need:
// fields as they are, and texts made of several. The last may hold anything.
var cells = []cell{
	word("type"), word("method"), word("status"), word("ip"), word("ms"), word("request"), word("session"),
	// A link to a request holds its time, so that it finds it for ever. A long one
	// was recorded when it began, too, at most a day before.
	{"from", `{{ sub (__timestamp__ | unixEpochMillis) 86400000 }}`},
	{"to", `{{ add (__timestamp__ | unixEpochMillis) 3600000 }}`},
	{"key", `{{ if ne .email "-" }}{{ .email }}{{ else }}{{ .id }}{{ end }}`},
	{"path", `{{ if .host }}/{{ .rest }}{{ end }}`},
	{"where", `{{ if .host }}/{{ .rest }} — {{ .host }}{{ else }}{{ .url` + tidy + ` }}{{ end }}`},
	{"who", `{{ if .name }}{{ .name` + tidy + ` }}{{ if ne .email "-" }} · ` + person + `{{ end }}` + noName},
	{"act", `{{ if .count }}{{ .count }} × {{ end }}{{ if ne .action "-" }}{{ .action }}{{ end }}{{ if .signin }} sign-in {{ .signin }}{{ end }}` + object +
		`{{ if .as_name }} as {{ .as_name }}{{ else if .as_email }} as {{ .as_email }}{{ else if .as_id }} as {{ .as_id }}{{ end }}` +
		`{{ if .note }} – {{ .note | replace "\n" "; " }}{{ end }}`},
}

func word(name string) cell { return cell{name, "{{ ." + field(name) + " }}"} }

// shown makes a line of the cells, separated by TABs, of the lines that are left.
// What a row costs Loki and the browser is mostly its labels, so all but one go.
func shown(more ...cell) string {
	var row []string
	for _, c := range append(more, cells...) {
		row = append(row, c.template)
	}
	return `
  | pattern "<_> url=\"<_>://<host>/<rest>\"<_>" | logfmt
  | line_format ` + "`" + strings.Join(row, "\t") + "`" + ` | keep service_name`
}

// ofRows takes the cells out of the lines that shown makes.
func ofRows(more ...cell) []dashboard.DataTransformerConfig {
	var groups []string
	for _, c := range append(more, cells...) {
		groups = append(groups, "(?<"+c.name+`>[^\t]*)`)
	}
	last := len(groups) - 1
	groups[last] = strings.Replace(groups[last], `[^\t]*`, `[\s\S]*`, 1)
	return []dashboard.DataTransformerConfig{
		{Id: "extractFields", Options: map[string]any{
			"source": "Line", "format": "regexp", "regExp": "/^" + strings.Join(groups, `\t`) + "$/", "replace": false, "keepTime": false,
		}},
		{Id: "convertFieldType", Options: map[string]any{
			"conversions": []map[string]any{{"targetField": "ms", "destinationType": "number"}},
			"fields":      map[string]any{},
		}},
	}
}

// filters are the variables that links within Admin Sessions keep.
var filters = append([]string{"search", "type", "method", "status", "admin", "ip", "hide_me"}, common3...)

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
func toRequest() string {
	return "/d/" + uidRequest + "?from=${__data.fields.from}&to=${__data.fields.to}&${loki:queryparam}&" +
		to("request", "request") + "&" + to("session", "session")
}

var (
	whoColumn = column{field: "who", title: "Admin", width: 130, more: []property{links(
		link("Everything about this admin", here(uidAdmin, common3, to("admin", "key"))),
		link("Only this admin", here(uidSessions, without(filters, "admin"), to("admin", "key"))),
	)}}
	actColumn   = column{field: "act", title: "Act", width: 136, more: []property{inspected}}
	whereColumn = column{field: "where", title: "URL", least: 200, more: []property{inspected, links(
		link("Every detail of this request", toRequest()),
		link("Search for this path", here(uidSessions, without(filters, "search"), to("search", "path"))),
	)}}
	whenColumn = dateColumn.with(links(link("Every detail of this request", toRequest())))
	fromColumn = ipColumn.with(links(link("Only this IP address", here(uidSessions, without(filters, "ip"), to("ip", "ip")))))
	behind     = []column{carried("request"), carried("session"), carried("key"), carried("path"), carried("from"), carried("to")}
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
		inMenu(choice("type", "Type", "WEB: pages in a browser. API: programs.", ".*", "WEB", "API")),
		inMenu(textBox("admin", "Admin", "Part of an administrator's e-mail address, or a whole user id. For a name use Search.")),
		inMenu(textBox("ip", "IP", "A whole address, or the front part of one up to a dot or colon: 10.2 finds 10.2.0.0/16.")),
		service(), environment(), lokiSource())

	columns := append([]column{whenColumn, whoColumn, fromColumn, typeColumn, methodColumn, actColumn, whereColumn, statusColumn, tookColumn}, behind...)
	for _, p := range []cog.Builder[dashboard.Panel]{
		colored(bars(1, "Requests over time", "Matching requests by type. Drag over the bars to zoom the whole dashboard to that time.", place(0, 0, 15, 4)), typeColors).
			WithTarget(overTime("A", sum("type", count(chosen(), onePoint)), "{{type}}")),
		counted(2, "Found", "All requests in the time range that match the search and the filters, listed or not.", orZero(sum("", count(chosen(), wholeRange))), place(15, 0, 4, 4)),
		remark(5, 2, place(19, 0, 5, 4)),
		requests(3, "The newest 1,000 admin requests ${admin} ${ip}", "Newest first. A heading sorts these 1,000, the funnel in it filters them. The date and the URL lead to every detail of the request, for good: that link holds its time. An admin or an IP address leads to the same admin or address. A row with the status open is a request that went on when it was written; its final row follows.",
			chosen()+shown(), mostRows, place(0, 4, 24, 24), columns...),
	} {
		b.WithPanel(p)
	}
	return b
}
