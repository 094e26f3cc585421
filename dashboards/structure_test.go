package dashboards_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/dashboards"
)

const (
	// lokiUID and prometheusUID are the variables by which a dashboard names its
	// data sources.
	lokiUID       = "${loki}"
	prometheusUID = "${prometheus}"
	// dashboardUID is Grafana's own data source: the result of another panel.
	dashboardUID = "-- Dashboard --"
)

type dashboard struct {
	file string
	data []byte

	UID           string
	Title         string
	Description   string
	Editable      bool
	SchemaVersion int
	Refresh       string
	Panels        []panel
	Links         []struct {
		Type                  string
		Tags                  []string
		KeepTime, IncludeVars bool
	}
	Templating struct{ List []variable }
}

type variable struct {
	Name, Type, Label, Description string
	Datasource                     *datasource
	Query                          json.RawMessage
	AllValue                       string
	Current                        struct{ Value any }
}

type datasource struct{ Type, UID string }

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Datasource  *datasource
	Targets     []struct {
		RefID        string
		Datasource   datasource
		Expr         string
		LegendFormat string
		PanelID      int
	}
	FieldConfig struct {
		Defaults struct {
			Unit       string
			NoValue    *string
			Decimals   *int
			Thresholds *struct{ Steps []struct{ Color string } }
			Custom     struct{ DrawStyle string }
		}
		Overrides []struct {
			Matcher struct {
				ID      string
				Options any
			}
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
	Transformations []struct {
		ID      string
		Options json.RawMessage
	}
	GridPos struct{ X, Y, W, H int }
	Panels  []panel // of a collapsed row
}

func load(t *testing.T) []dashboard {
	t.Helper()
	files, err := fs.Glob(dashboards.Files, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []dashboard
	for _, file := range files {
		data, err := dashboards.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboard{file: file, data: data}
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	if len(all) < 6 {
		t.Fatalf("%d dashboards embedded", len(all))
	}
	return all
}

// panels returns the dashboard's panels, those in collapsed rows included,
// without the rows.
func (d *dashboard) panels() []panel {
	var all []panel
	for _, p := range d.Panels {
		if p.Type == "row" {
			all = append(all, p.Panels...)
			continue
		}
		all = append(all, p)
	}
	return all
}

// where names a panel in messages.
func (d *dashboard) where(p panel) string {
	return fmt.Sprintf("%s, panel %d %q", d.file, p.ID, p.Title)
}

func TestDashboardsAreComplete(t *testing.T) {
	uids := map[string]string{}
	for _, d := range load(t) {
		if !strings.HasPrefix(d.UID, "adminsessions-") || len(d.UID) > 40 {
			t.Errorf("%s: uid %q", d.file, d.UID)
		}
		if other, taken := uids[d.UID]; taken {
			t.Errorf("%s: uid %s is also that of %s", d.file, d.UID, other)
		}
		uids[d.UID] = d.file
		if d.Title == "" || d.Description == "" || d.Editable || d.SchemaVersion < 42 {
			t.Errorf("%s: needs a title, a description, editable false and schemaVersion 42", d.file)
		}
		// Grafana keeps a refresh in the address, but not that there is none.
		if d.Refresh != "" {
			t.Errorf("%s: refreshes every %s until it is switched off, which a link would not keep", d.file, d.Refresh)
		}
		for _, v := range d.Templating.List {
			if v.Label == "" || v.Description == "" {
				t.Errorf("%s: variable %s needs a label and a description", d.file, v.Name)
			}
		}
		ids := map[int]bool{}
		for _, p := range d.Panels {
			for _, one := range append([]panel{p}, p.Panels...) {
				if ids[one.ID] {
					t.Errorf("%s: panel id %d is used twice", d.file, one.ID)
				}
				ids[one.ID] = true
			}
		}
		for _, p := range d.panels() {
			d.checkPanel(t, p, ids)
		}
	}
}

func (d *dashboard) checkPanel(t *testing.T, p panel, ids map[int]bool) {
	t.Helper()
	where := d.where(p)
	if p.Description == "" {
		t.Errorf("%s: no description", where)
	}
	if p.GridPos.X+p.GridPos.W > 24 {
		t.Errorf("%s: wider than the grid", where)
	}
	if p.Type == "text" {
		return
	}
	defaults := p.FieldConfig.Defaults
	if defaults.Unit == "" {
		t.Errorf("%s: no unit", where)
	}
	if defaults.Thresholds == nil || len(defaults.Thresholds.Steps) == 0 {
		t.Errorf("%s: no thresholds", where)
	}
	if defaults.Custom.DrawStyle == "bars" && (defaults.Decimals == nil || *defaults.Decimals != 0) {
		t.Errorf("%s: counts in fractions of an event", where)
	}
	if len(p.Targets) == 0 {
		t.Errorf("%s: no query", where)
	}
	for _, target := range p.Targets {
		switch target.Datasource.UID {
		case lokiUID, prometheusUID:
			if target.Expr == "" {
				t.Errorf("%s: empty query", where)
			}
		case dashboardUID:
			if !ids[target.PanelID] {
				t.Errorf("%s: shows the result of panel %d, which does not exist", where, target.PanelID)
			}
		default:
			t.Errorf("%s: the data source %q is not chosen by a variable", where, target.Datasource.UID)
		}
	}
}

// A query that has failed must not look as if all were well: a number without
// an answer is unknown, and 0 comes from the query itself.
func TestNoAnswerIsNoZero(t *testing.T) {
	for _, d := range load(t) {
		for _, p := range d.panels() {
			if p.Type == "text" {
				continue
			}
			no := p.FieldConfig.Defaults.NoValue
			if no == nil || *no == "" || strings.ContainsAny(*no, "0123456789") {
				t.Errorf("%s: what is shown without an answer is %v", d.where(p), no)
				continue
			}
			if p.Type == "stat" && *no != "unknown" {
				t.Errorf("%s: a number without an answer reads %q", d.where(p), *no)
			}
			for _, target := range p.Targets {
				if target.Datasource.UID == prometheusUID && strings.Contains(target.Expr, "vector(0)") {
					t.Errorf("%s: 0 where Prometheus has no such metric: %s", d.where(p), target.Expr)
				}
			}
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	for _, d := range load(t) {
		groups := [][]panel{d.Panels}
		for _, p := range d.Panels {
			groups = append(groups, p.Panels)
		}
		for _, group := range groups {
			for i, a := range group {
				for _, b := range group[:i] {
					x := a.GridPos.X < b.GridPos.X+b.GridPos.W && b.GridPos.X < a.GridPos.X+a.GridPos.W
					y := a.GridPos.Y < b.GridPos.Y+b.GridPos.H && b.GridPos.Y < a.GridPos.Y+a.GridPos.H
					if x && y {
						t.Errorf("%s: panels %d %q and %d %q overlap", d.file, a.ID, a.Title, b.ID, b.Title)
					}
				}
			}
		}
	}
}

// A table of log lines shows exactly the fields it names: whatever metadata an
// application adds, no column appears.
func TestLogTablesHaveAnAllowList(t *testing.T) {
	for _, d := range load(t) {
		for _, p := range d.panels() {
			extracts, allows, transposes := false, false, false
			for _, transformation := range p.Transformations {
				switch transformation.ID {
				case "extractFields":
					extracts = true
				case "transpose":
					transposes = true
				case "filterFieldsByName":
					var options struct {
						Include struct{ Names []string }
					}
					if err := json.Unmarshal(transformation.Options, &options); err != nil {
						t.Fatal(err)
					}
					allows = allows || len(options.Include.Names) > 0
				}
			}
			if extracts && !allows && !transposes {
				t.Errorf("%s: a table of log lines without an allow-list", d.where(p))
			}
		}
	}
}

// What a table says when it is empty, Grafana also writes into each of its
// cells that has no value, unless every column has a text of its own.
func TestTablesHaveATextForEmptyCells(t *testing.T) {
	for _, d := range load(t) {
		for _, p := range d.panels() {
			if p.Type != "table" {
				continue
			}
			overrides := p.FieldConfig.Overrides
			if len(overrides) == 0 || overrides[0].Matcher.ID != "byRegexp" || overrides[0].Matcher.Options != "/.*/" || overrides[0].Properties[0].ID != "noValue" {
				t.Errorf("%s: cells without a value would read %q", d.where(p), *p.FieldConfig.Defaults.NoValue)
			}
		}
	}
}

// A method, a type and a class of statuses have one color each, on every
// dashboard.
func TestColorsAreTheSameEverywhere(t *testing.T) {
	want := map[string]string{
		"WEB": "green", "API": "blue",
		"GET": "green", "HEAD": "green", "OPTIONS": "green", "POST": "orange", "PUT": "yellow", "PATCH": "yellow", "DELETE": "red",
	}
	seen := 0
	for _, d := range load(t) {
		for _, p := range d.panels() {
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					name, isText := o.Matcher.Options.(string)
					if color, known := want[name]; isText && known && property.ID == "color" {
						seen++
						if !strings.Contains(string(property.Value), `"`+color+`"`) {
							t.Errorf("%s: %s is %s, want %s", d.where(p), name, property.Value, color)
						}
					}
					if property.ID != "mappings" {
						continue
					}
					var mappings []struct {
						Type    string
						Options json.RawMessage
					}
					if err := json.Unmarshal(property.Value, &mappings); err != nil {
						t.Fatal(err)
					}
					for _, m := range mappings {
						var values map[string]struct{ Color string }
						if m.Type != "value" || json.Unmarshal(m.Options, &values) != nil {
							continue
						}
						for name, v := range values {
							if color, known := want[name]; known {
								seen++
								if v.Color != color {
									t.Errorf("%s: %s is %s, want %s", d.where(p), name, v.Color, color)
								}
							}
						}
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d colors seen", seen)
	}
}
