package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// short is a request in three lines.
var short = cell{"short", `{{ if ne .action "-" }}{{ .action }}{{ else }}{{ .method }}{{ end }}` + object + "\n" +
	`{{ if .name }}{{ .name` + tidy + ` }}` + noName + kindOfActor + "\n" + `{{ .method }} {{ .status }} {{ .ip }}`}

// phone is Admin Sessions for a narrow screen: two controls and one column.
func phone() *builder {
	b := frame(uidPhone, "Admin Sessions: phone", "The newest requests, one column: act, admin, when. For a narrow screen.")
	add(b, search(), hideMe(), service(), environment(), lokiSource())
	expr := found() + "\n  | pattern \"type=<type> method=<method> status=<status> <mail> ip=<ip> <_>\" | method!=\"\"" + ofAdmins + hidden + shown(short)
	columns := append([]column{
		{field: "short", title: "Request", least: 200, more: []property{wrapped, links(link("Every detail of this request", toRequest()))}},
		dateColumn.with(property{Id: "custom.width", Value: 84}, unit("time:MM-DD HH:mm:ss"), wrapped),
	}, behind...)
	for _, p := range []cog.Builder[dashboard.Panel]{
		requests(1, "The newest 200", "Newest first. A click on a request shows every detail.", expr, 200, place(0, 0, 24, 24), columns...).Filterable(false).
			Transformations(append(ofRows(short), only(columns)...)),
	} {
		b.WithPanel(p)
	}
	return b
}
