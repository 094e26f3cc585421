package dashboards_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/dashboards"
)

const (
	lokiUID       = "adminsessions-loki"
	prometheusUID = "adminsessions-prometheus"
	// dashboardUID is Grafana's own data source: the result of another panel.
	dashboardUID = "-- Dashboard --"
)

type dashboard struct {
	file string

	UID           string
	Title         string
	Description   string
	Editable      bool
	SchemaVersion int
	Panels        []panel
	Links         []struct {
		URL                   string
		KeepTime, IncludeVars bool
	}
	Templating struct{ List []variable }
}

type variable struct {
	Name, Type, Label, Description string
	Datasource                     *datasource
	Query                          json.RawMessage
}

type datasource struct{ Type, UID string }

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Datasource  *datasource
	Targets     []struct {
		RefID      string
		Datasource datasource
		Expr       string
		PanelID    int
	}
	FieldConfig struct {
		Defaults struct {
			Unit       string
			NoValue    *string
			Thresholds *struct{ Steps []struct{ Color string } }
		}
		Overrides []struct {
			Matcher struct {
				ID      string
				Options any
			}
			Properties []struct{ ID string }
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
		d := dashboard{file: file}
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
		for _, v := range d.Templating.List {
			if v.Label == "" || v.Description == "" {
				t.Errorf("%s: variable %s needs a label and a description", d.file, v.Name)
			}
		}
		ids := map[int]bool{}
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: panel id %d is used twice", d.file, p.ID)
			}
			ids[p.ID] = true
			for _, inner := range p.Panels {
				if ids[inner.ID] {
					t.Errorf("%s: panel id %d is used twice", d.file, inner.ID)
				}
				ids[inner.ID] = true
			}
		}
		for _, p := range d.panels() {
			where := fmt.Sprintf("%s, panel %d %q", d.file, p.ID, p.Title)
			if p.Description == "" {
				t.Errorf("%s: no description", where)
			}
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: wider than the grid", where)
			}
			if p.Type == "text" {
				continue
			}
			defaults := p.FieldConfig.Defaults
			if defaults.Unit == "" {
				t.Errorf("%s: no unit", where)
			}
			if defaults.NoValue == nil {
				t.Errorf("%s: no text for the case without data", where)
			}
			if defaults.Thresholds == nil || len(defaults.Thresholds.Steps) == 0 {
				t.Errorf("%s: no thresholds", where)
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
					t.Errorf("%s: unknown data source uid %q", where, target.Datasource.UID)
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

// A selector without a service reads everything that the Loki holds.
var selector = regexp.MustCompile(`\{[^{}]*\}`)

// selectors are the stream selectors of a query.
func selectors(expr string) []string {
	// Without references, templates and repetitions only selectors have braces.
	plain := regexp.MustCompile(`\$\{[^}]*\}|\{\{.*?\}\}`).ReplaceAllString(expr, "x")
	plain = strings.ReplaceAll(plain, "){x}", ")")
	// {1} of a regular expression is no selector.
	return slices.DeleteFunc(selector.FindAllString(plain, -1), func(s string) bool { return !strings.Contains(s, "=") })
}

// A service's lines, stored once more for fast searches, must not be counted
// with its events. Admin Search reads either: its selectors name the service by
// one label or the other. The counts of Admin Sessions are of either: each
// selector has a condition, and that of the lines is the opposite of that of the
// events.
func TestQueriesSelectEvents(t *testing.T) {
	condition := regexp.MustCompile("nothing(=|!)~`([^`]+)`")
	for _, d := range load(t) {
		ofService, ofLines := "service_name=~`x`", "audit_lines_of=``"
		if d.file == "search.json" {
			ofService, ofLines = "{x=~`x`", "x!=``"
		}
		for _, p := range d.panels() {
			for _, target := range p.Targets {
				if target.Datasource.UID != lokiUID {
					continue
				}
				found := selectors(target.Expr)
				if len(found) == 0 {
					t.Errorf("%s, panel %d %q: no selector in %s", d.file, p.ID, p.Title, target.Expr)
				}
				if strings.Contains(target.Expr, "audit_lines_of=~") {
					if d.file != "admin-sessions.json" || len(found) != 2 {
						t.Errorf("%s, panel %d %q reads lines", d.file, p.ID, p.Title)
						continue
					}
					lines, events := condition.FindStringSubmatch(found[0]), condition.FindStringSubmatch(found[1])
					if lines == nil || events == nil || lines[1] != "=" || events[1] != "!" || lines[2] != events[2] {
						t.Errorf("%s, panel %d %q reads lines if %q and events if %q", d.file, p.ID, p.Title, lines, events)
					}
					found = found[1:]
				}
				for _, s := range found {
					for _, want := range []string{ofService, ofLines, "deployment_environment_name=~`x`"} {
						if !strings.Contains(s, want) {
							t.Errorf("%s, panel %d %q: selector %s has no %s", d.file, p.ID, p.Title, s, want)
						}
					}
				}
			}
		}
		if d.file == "search.json" {
			continue
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" && v.Datasource.UID == lokiUID && !strings.Contains(string(v.Query), ofLines) {
				t.Errorf("%s: variable %s takes its values from the lines, too: %s", d.file, v.Name, v.Query)
			}
		}
	}
}

func TestRulesSelectEvents(t *testing.T) {
	for _, file := range ruleFiles[1:] {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		found := selectors(string(data))
		if len(found) < 10 {
			t.Errorf("%s: only the selectors %q", file, found)
		}
		for _, s := range found {
			if !strings.Contains(s, `service_name=~".+"`) || !strings.Contains(s, `audit_lines_of=""`) {
				t.Errorf("%s: selector %s", file, s)
			}
		}
	}
}

// vocabulary is every name that may stand in a query over Loki.
func vocabulary() map[string]bool {
	names := map[string]bool{
		adminsessions.LokiTraceID: true, adminsessions.LokiSpanID: true, adminsessions.LokiScopeName: true,
		adminsessions.LokiSeverityText: true, adminsessions.LokiObservedTimestamp: true,
		// Made by the queries themselves.
		"nothing": true, "seen": true, "hour": true, "weekday": true,
	}
	for _, key := range []string{
		adminsessions.KeyLinesOf, adminsessions.KeyServiceName, adminsessions.KeyServiceInstanceID, adminsessions.KeyDeploymentEnvironment,
		adminsessions.KeyUserID, adminsessions.KeyUserFullName, adminsessions.KeyUserEmail,
		adminsessions.KeySignInName, adminsessions.KeySignInOutcome,
		adminsessions.KeyInterface, adminsessions.KeyRequestStage, adminsessions.KeyRequestID, adminsessions.KeyNote,
		adminsessions.KeyClientAddress, adminsessions.KeyMethod, adminsessions.KeyURL, adminsessions.KeyRoute,
		adminsessions.KeyStatusCode, adminsessions.KeyDuration, adminsessions.KeyUserAgent, adminsessions.KeySessionID,
		adminsessions.KeyErrorType, adminsessions.KeyLogID, adminsessions.KeySequenceNumber,
	} {
		names[adminsessions.LokiName(key)] = true
	}
	return names
}

var (
	quoted   = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")
	compared = regexp.MustCompile(`\b([a-z_]\w*)\s*(?:=~|!~|!=|=|>=|<=)\s*(?:S|\d)`)
	grouped  = regexp.MustCompile(`\bby\s*\(([^)]*)\)`)
	unwraps  = regexp.MustCompile(`\bunwrap\s+(\w+)`)
	keeps    = regexp.MustCompile(`\b(?:keep|drop)\s+([\w, ]+)`)
	captures = regexp.MustCompile(`\(\?P<(\w+)>`)
)

// names returns the label names that a LogQL query uses.
func names(expr string) []string {
	var found []string
	for _, m := range captures.FindAllStringSubmatch(expr, -1) {
		found = append(found, m[1])
	}
	// Loki's rules are templates too; what is quoted is text, not names.
	expr = quoted.ReplaceAllString(expr, "S")
	for _, m := range compared.FindAllStringSubmatch(expr, -1) {
		found = append(found, m[1])
	}
	for _, m := range slices.Concat(grouped.FindAllStringSubmatch(expr, -1), keeps.FindAllStringSubmatch(expr, -1)) {
		for name := range strings.SplitSeq(m[1], ",") {
			found = append(found, strings.TrimSpace(name))
		}
	}
	for _, m := range unwraps.FindAllStringSubmatch(expr, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestQueriesUseTheVocabulary(t *testing.T) {
	known := vocabulary()
	for _, d := range load(t) {
		for _, p := range d.panels() {
			for _, target := range p.Targets {
				if target.Datasource.UID != lokiUID {
					continue
				}
				used := names(target.Expr)
				if len(used) == 0 {
					t.Errorf("%s, panel %d %q: found only %q in %s", d.file, p.ID, p.Title, used, target.Expr)
				}
				for _, name := range used {
					if !known[name] {
						t.Errorf("%s, panel %d %q: %q is no name of an event", d.file, p.ID, p.Title, name)
					}
				}
			}
			for _, o := range p.FieldConfig.Overrides {
				name, isText := o.Matcher.Options.(string)
				if o.Matcher.ID != "byName" || !isText || !strings.Contains(name, "_") {
					continue
				}
				if !known[name] && name != "url_path" {
					t.Errorf("%s, panel %d %q: an override for %q, which is no name of an event", d.file, p.ID, p.Title, name)
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
				t.Errorf("%s, panel %d %q: a table of log lines without an allow-list", d.file, p.ID, p.Title)
			}
		}
	}
}

// What a table says when it is empty, Grafana also writes into each of its
// cells that has no value, unless every column has a text of its own.
func TestTablesHaveATextForEmptyCells(t *testing.T) {
	for _, d := range load(t) {
		for _, p := range d.panels() {
			if p.Type != "table" || *p.FieldConfig.Defaults.NoValue == "" {
				continue
			}
			overrides := p.FieldConfig.Overrides
			if len(overrides) == 0 || overrides[0].Matcher.ID != "byRegexp" || overrides[0].Matcher.Options != "/.*/" || overrides[0].Properties[0].ID != "noValue" {
				t.Errorf("%s, panel %d %q: cells without a value would read %q", d.file, p.ID, p.Title, *p.FieldConfig.Defaults.NoValue)
			}
		}
	}
}

var (
	dashboardLink = regexp.MustCompile(`/d/([A-Za-z0-9-]+)`)
	linkVariable  = regexp.MustCompile(`(?:var-(\w+)=|\$\{(\w+):queryparam\})`)
)

// Grafana cuts a query over more than a day into days and asks for one after the
// other, but not where its refId says this word. A search over a month that
// finds little is a third faster whole: Loki cuts it, too, and keeps all cores
// busy.
func TestAdminSearchIsAskedForWhole(t *testing.T) {
	found := false
	for _, d := range load(t) {
		if d.UID != "adminsessions-search" {
			continue
		}
		found = true
		for _, p := range d.panels() {
			for _, target := range p.Targets {
				if strings.Contains(target.Expr, "${search") && !strings.Contains(target.RefID, "do-not-chunk") {
					t.Errorf("panel %q: refId %q, want do-not-chunk", p.Title, target.RefID)
				}
			}
		}
	}
	if !found {
		t.Error("there is no Admin Search")
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	variables := map[string]map[string]bool{}
	all := load(t)
	for _, d := range all {
		variables[d.UID] = map[string]bool{}
		for _, v := range d.Templating.List {
			variables[d.UID][v.Name] = true
		}
	}
	for _, d := range all {
		for _, l := range d.Links {
			if !l.KeepTime || !l.IncludeVars {
				t.Errorf("%s: link %s must keep time range and variables", d.file, l.URL)
			}
		}
		data, err := dashboards.Files.ReadFile(d.file)
		if err != nil {
			t.Fatal(err)
		}
		var urls []string
		collectURLs(t, data, &urls)
		for _, url := range urls {
			m := dashboardLink.FindStringSubmatch(url)
			if m == nil {
				t.Errorf("%s: link %s is not to a dashboard", d.file, url)
				continue
			}
			target, exists := variables[m[1]]
			if !exists {
				t.Errorf("%s: link to dashboard %s, which does not exist", d.file, m[1])
				continue
			}
			for _, v := range linkVariable.FindAllStringSubmatch(url, -1) {
				if name := v[1] + v[2]; !target[name] {
					t.Errorf("%s: link to %s sets its variable %s, which does not exist", d.file, m[1], name)
				}
			}
		}
	}
}

// collectURLs finds every "url" in a dashboard.
func collectURLs(t *testing.T, data json.RawMessage, urls *[]string) {
	t.Helper()
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) == nil {
		for key, value := range object {
			var url string
			if key == "url" && json.Unmarshal(value, &url) == nil {
				*urls = append(*urls, url)
				continue
			}
			collectURLs(t, value, urls)
		}
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil {
		for _, value := range list {
			collectURLs(t, value, urls)
		}
	}
}

var ruleFiles = []string{"alerts/prometheus.yaml", "alerts/loki-ruler.yaml", "../deploy/grafana/provisioning/alerting/adminsessions-rules.yaml"}

// Every alert has a runbook, and every runbook an alert.
func TestRunbooks(t *testing.T) {
	alert := regexp.MustCompile(`(?m)^\s*(?:#\s*)?(?:- alert|title): (AdminSessions\w+)$`)
	runbook := regexp.MustCompile(`runbooks/(\w+)\.md`)
	rules := map[string]string{}
	for _, file := range ruleFiles {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		names := alert.FindAllStringSubmatch(string(data), -1)
		links := runbook.FindAllStringSubmatch(string(data), -1)
		if len(names) == 0 || len(names) != len(links) {
			t.Fatalf("%s: %d alerts and %d runbook links", file, len(names), len(links))
		}
		for i, m := range names {
			rules[m[1]] = file
			if links[i][1] != m[1] {
				t.Errorf("%s: alert %s links to the runbook %s", file, m[1], links[i][1])
			}
		}
	}
	for name, file := range rules {
		data, err := dashboards.Files.ReadFile("runbooks/" + name + ".md")
		if err != nil {
			t.Errorf("%s: alert %s has no runbook", file, name)
			continue
		}
		for _, heading := range []string{"# " + name + "\n", "\n## What it means\n", "\n## What to do\n", "\n## When it is nothing\n"} {
			if !strings.Contains(string(data), heading) {
				t.Errorf("runbooks/%s.md: no heading %q", name, strings.TrimSpace(heading))
			}
		}
	}
	files, err := fs.Glob(dashboards.Files, "runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".md"); rules[name] == "" {
			t.Errorf("%s: no alert of that name", file)
		}
	}
}
