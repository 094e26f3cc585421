package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// builder makes a dashboard of Grafana's schema 1. Grafana's provisioning from
// files, up to 12.3 at least, refuses schema 2, which the SDK would have one use.
type builder = dashboard.DashboardBuilder //nolint:staticcheck // see above

// The dashboards, by their uids: links and alert rules name them.
const (
	uidSessions = "adminsessions-sessions"
	uidPhone    = "adminsessions-phone"
	uidActivity = "adminsessions-activity"
	uidAdmin    = "adminsessions-admin"
	uidRequest  = "adminsessions-event"
	uidPipeline = "adminsessions-pipeline"
	uidObject   = "adminsessions-object"
	uidChanges  = "adminsessions-changes"
	uidStories  = "adminsessions-session-list"
)

// The data sources of deploy/grafana, where another is not chosen.
const (
	lokiUID       = "adminsessions-loki"
	prometheusUID = "adminsessions-prometheus"
)

func source(kind, uid string) common.DataSourceRef {
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// The data sources that queries name: a variable's value.
var (
	loki       = source("loki", "${loki}")
	prometheus = source("prometheus", "${prometheus}")
	// panelResult is what another panel of the dashboard has got.
	panelResult = source("datasource", "-- Dashboard --")
)

// frame is what the dashboards have in common. Auto refresh begins switched
// off: Grafana keeps a refresh in the address, but not that there is none.
func frame(uid, title, description string) *builder {
	return dashboard.NewDashboardBuilder(title). //nolint:staticcheck // as builder
							Uid(uid).
							Description(description).
							Tags([]string{tag}).
							Readonly().
							Tooltip(dashboard.DashboardCursorSyncCrosshair).
							Time("now-24h", "now").
							Timezone("browser").
							Refresh("").
							Version(1).
							Timepicker(dashboard.NewTimePickerBuilder().RefreshIntervals([]string{"2s", "5s", "10s", "30s", "1m", "5m"})).
							Link(built[dashboard.DashboardLink]{dashboard.DashboardLink{
			Title: "More", Type: dashboard.DashboardLinkTypeDashboards, Icon: "dashboard", Tooltip: "The other dashboards of the trail, with the same time range",
			Tags: []string{tag}, AsDropdown: true, KeepTime: true, IncludeVars: true,
		}})
}

// tag is on every dashboard.
const tag = "adminsessions"

// built is a thing that needs no builder, for functions that want one.
type built[T any] struct{ thing T }

func (b built[T]) Build() (T, error) { return b.thing, nil }

// variable returns a variable of the dashboard.
func variable(kind dashboard.VariableType, name, label, about string) dashboard.VariableModel {
	return dashboard.VariableModel{Type: kind, Name: name, Label: &label, Description: &about, Hide: new(dashboard.VariableHideDontHide), SkipUrlSync: new(false)}
}

// inMenu moves a variable that few touch from the bar to the menu at the right.
func inMenu(v dashboard.VariableModel) dashboard.VariableModel {
	v.Hide = new(dashboard.VariableHideInControlsMenu)
	return v
}

func option(text, value string, selected bool) dashboard.VariableOption {
	return dashboard.VariableOption{
		Selected: &selected,
		Text:     dashboard.StringOrArrayOfString{String: &text},
		Value:    dashboard.StringOrArrayOfString{String: &value},
	}
}

func anyText(s string) *dashboard.StringOrMap { return &dashboard.StringOrMap{String: &s} }

func textBox(name, label, about string) dashboard.VariableModel {
	v := variable(dashboard.VariableTypeTextbox, name, label, about)
	v.Query, v.Current = anyText(""), new(option("", "", true))
	v.Options = []dashboard.VariableOption{option("", "", true)}
	return v
}

func allChosen() *dashboard.VariableOption {
	return &dashboard.VariableOption{
		Selected: new(true),
		Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
		Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
}

// choice is a list of values of which any number can be chosen; all is the
// regular expression that stands for all of them. Values are given as
// "text : value" or just as the value.
func choice(name, label, about, all string, values ...string) dashboard.VariableModel {
	v := variable(dashboard.VariableTypeCustom, name, label, about)
	v.Query, v.Current = anyText(strings.Join(values, ", ")), allChosen()
	v.Multi, v.IncludeAll, v.AllValue, v.AllowCustomValue = new(true), new(true), &all, new(false)
	v.Options = []dashboard.VariableOption{option("All", "$__all", true)}
	for _, o := range values {
		text, value, two := strings.Cut(o, " : ")
		if !two {
			value = text
		}
		v.Options = append(v.Options, option(text, value, false))
	}
	return v
}

// labelValues offers the values of a stream's label.
func labelValues(name, label, about, all, of, stream string) dashboard.VariableModel {
	v := variable(dashboard.VariableTypeQuery, name, label, about)
	v.Datasource, v.Current = &loki, allChosen()
	v.Multi, v.IncludeAll, v.AllValue, v.AllowCustomValue = new(true), new(true), &all, new(false)
	v.Refresh, v.Sort = new(dashboard.VariableRefreshOnTimeRangeChanged), new(dashboard.VariableSortAlphabeticalAsc)
	v.Regex = new("")
	v.Query = &dashboard.StringOrMap{Map: map[string]any{
		"label": of, "stream": stream, "type": 1, "refId": "LokiVariableQueryEditor-VariableQuery",
	}}
	return inMenu(v)
}

func dataSource(name, label, kind, title, uid string) dashboard.VariableModel {
	v := variable(dashboard.VariableTypeDatasource, name, label, "The data source that is asked.")
	v.Query, v.Regex, v.Refresh = anyText(kind), new(""), new(dashboard.VariableRefreshOnDashboardLoad)
	v.Current, v.Multi, v.IncludeAll = new(option(title, uid, true)), new(false), new(false)
	v.Options = []dashboard.VariableOption{}
	return inMenu(v)
}

func lokiSource() dashboard.VariableModel {
	return dataSource("loki", "Loki", "loki", "Admin Sessions (Loki)", lokiUID)
}

func prometheusSource() dashboard.VariableModel {
	return dataSource("prometheus", "Prometheus", "prometheus", "Admin Sessions (Prometheus)", prometheusUID)
}

func service() dashboard.VariableModel {
	return labelValues("service", "Service", "The service whose admin panel made the requests (service.name).", ".+",
		"service_name", "{service_name=~`.+`}")
}

func environment() dashboard.VariableModel {
	return labelValues("environment", "Environment", "The deployment environment (deployment.environment.name).", ".*",
		"deployment_environment_name", "{"+matches("service_name", in("service"))+"}")
}

func ofTypes() dashboard.VariableModel {
	return choice("type", "Type", "WEB: pages in a browser. API: programs. Without a request: CLI, commands; JOB, scheduled or queued work; MCP, tools that a language model calls.", ".*",
		"WEB", "API", "CLI", "JOB", "MCP")
}

func search() dashboard.VariableModel {
	return textBox("search", "Search", "Finds text in everything that the line says for people: act, name, e-mail and IP address, URL, status, note; method=DELETE works, too. Upper and lower case are the same, every character stands for itself. A quote or backslash in a name is stored with a backslash before it. Not to be searched for: a backtick (Loki refuses it) and Grafana's own $__range, $__auto and $__interval.")
}

// onlyOf is the value of hideMe that makes it hide.
const onlyOf = "email"

// hideMe has the values "email" and "nobody": with the address behind it, the
// one is how a line begins to tell who acts, and the other never is.
func hideMe() dashboard.VariableModel {
	v := variable(dashboard.VariableTypeSwitch, "hide_me", "Hide Me", "Hides your own requests from view, by the e-mail address of the Grafana user who is signed in. They stay recorded. A Grafana user without an address hides nothing.")
	v.Current = new(option("nobody", "nobody", true))
	v.Options = []dashboard.VariableOption{option("Enabled", onlyOf, false), option("Disabled", "nobody", true)}
	return v
}

// hidden leaves out what Hide Me hides, of lines whose word of the address was
// taken with its name.
const hidden = " | mail!~`(?i)(?:${hide_me:regex}=${__user.email:regex})`"

func add(b *builder, variables ...dashboard.VariableModel) {
	for _, v := range variables {
		b.WithVariable(built[dashboard.VariableModel]{v})
	}
}
