package dashboards_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/dashboards"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// lokiUID is the data source of the rules; a dashboard names the variable loki.
const lokiUID = "adminsessions-loki"

// A query of a dashboard over Loki.
type query struct {
	dashboard string // file
	panel     string // title
	refID     string
	expr      string
	instant   bool
	log       bool           // lists entries, does not count
	limit     int            // of entries
	cells     *regexp.Regexp // by which the panel takes the cells of a row out of a line
}

// letter is the query's place among those of its panel.
func (q query) letter() string { return strings.TrimSuffix(q.refID, "-do-not-chunk-do-not-shard") }

func (q query) name() string { return q.dashboard + "/" + q.panel + "/" + q.letter() }

// row is what a table shows of a line: its cells, or the fields of an event.
func (q query) row(t testing.TB, line string) map[string]string {
	t.Helper()
	row := map[string]string{}
	if q.cells == nil {
		e, err := adminsessions.ParseLine(line)
		if err != nil {
			return map[string]string{"request": err.Error()}
		}
		return map[string]string{"request": e.RequestID, "status": map[adminsessions.Stage]string{adminsessions.Started: "started"}[e.Stage]}
	}
	values := q.cells.FindStringSubmatch(line)
	if values == nil {
		t.Errorf("%s: no cells in %q", q.name(), line)
		return row
	}
	for i, name := range q.cells.SubexpNames() {
		row[name] = values[i]
	}
	return row
}

// listed are the events that a query lists, oldest first.
func (q query) listed(t testing.TB, entries []lokitest.Entry) []string {
	t.Helper()
	var ids []string
	for _, entry := range entries {
		row, stage := q.row(t, entry.Line), adminsessions.Complete
		if row["status"] == "started" {
			stage = adminsessions.Started
		}
		ids = append(ids, row["request"]+" "+string(stage))
	}
	return ids
}

type dashboardFile struct {
	queries []query
	vars    variables // at their defaults
	list    []variableModel
}

type variableModel struct {
	Name, Type, AllValue string
	IncludeAll           bool
	Query                json.RawMessage // of a query variable, Label and Stream
	Current              struct{ Value any }
	Options              []struct{ Value any }
}

type panelModel struct {
	Title           string
	Panels          []panelModel
	Transformations []struct {
		ID      string
		Options struct{ Source, RegExp string }
	}
	Targets []struct {
		RefID, Expr, QueryType string
		MaxLines               int
		Datasource             struct{ UID string }
	}
}

// loadDashboards reads every dashboard, by file name.
func loadDashboards(t testing.TB) map[string]dashboardFile {
	t.Helper()
	files, err := fs.Glob(dashboards.Files, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]dashboardFile{}
	for _, file := range files {
		data, err := dashboards.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var model struct {
			Panels     []panelModel
			Templating struct{ List []variableModel }
		}
		if err := json.Unmarshal(data, &model); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		d := dashboardFile{list: model.Templating.List, vars: variables{"__user.email": one(""), "__timezone": one("UTC")}}
		for _, v := range model.Templating.List {
			if v.Type != "datasource" {
				d.vars[v.Name] = v.initial()
			}
		}
		d.collect(file, model.Panels)
		all[file] = d
	}
	return all
}

func (d *dashboardFile) collect(file string, panels []panelModel) {
	for _, p := range panels {
		for _, target := range p.Targets {
			if target.Datasource.UID != "${loki}" {
				continue
			}
			q := query{dashboard: file, panel: p.Title, refID: target.RefID, expr: target.Expr, instant: target.QueryType == "instant"}
			q.limit = target.MaxLines
			q.log = !strings.Contains(q.expr, "_over_time")
			for _, tr := range p.Transformations {
				if tr.ID == "extractFields" && tr.Options.Source == "Line" {
					q.cells = regexp.MustCompile(strings.Trim(tr.Options.RegExp, "/"))
				}
			}
			d.queries = append(d.queries, q)
		}
		d.collect(file, p.Panels)
	}
}

// initial is the variable's value when somebody opens the dashboard.
func (v variableModel) initial() value {
	if v.IncludeAll {
		return everything(v.AllValue)
	}
	return one(fmt.Sprint(v.Current.Value))
}

// options are the values that can be chosen one by one.
func (v variableModel) options() []string {
	var values []string
	for _, o := range v.Options {
		if s, isText := o.Value.(string); isText && s != "$__all" {
			values = append(values, s)
		}
	}
	return values
}
