package dashboards_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const search = "search.json"

// What Admin Search reads, by the label that names the service.
var (
	linesOf     = adminsessions.LokiName(adminsessions.KeyLinesOf)
	serviceName = adminsessions.LokiName(adminsessions.KeyServiceName)
)

// parts is the sentence of an event, taken apart as the table shows it.
func parts(e *event) map[string]string {
	status := "-"
	switch {
	case e.Stage == adminsessions.Started:
		status = "started"
	case e.StatusCode != 0:
		status = strconv.Itoa(e.StatusCode)
	}
	name := e.User.FullName
	if name == "" && e.User.Email == "" {
		name = e.User.ID // nothing else tells who it was
	}
	method := e.SentMethod
	if method == "" {
		method = e.Method
	}
	var more []string
	if e.Target.FullName != "" {
		more = append(more, fmt.Sprintf("as %q <%s>", e.Target.FullName, e.Target.Email))
	}
	if e.SignIn.Outcome != "" {
		more = append(more, fmt.Sprintf("sign-in %s %q", e.SignIn.Outcome, e.SignIn.Name))
	}
	if e.Note != "" {
		more = append(more, fmt.Sprintf("note %q", e.Note))
	}
	return map[string]string{
		"user_full_name": name, "user_email": e.User.Email, "client_address": e.ClientAddress.String(),
		"admin_interface": strings.ToUpper(string(e.Type)), "http_request_method": method, "url_full": e.URL,
		"http_response_status_code": status, "admin_note": strings.Join(more, " "),
	}
}

// TestAdminSearch compares, for every setting of the variables, the rows of the
// table, field by field, and the chart with what plain Go selects. Whether the
// lines are read or the events must make no difference.
func TestAdminSearch(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	d := loadDashboards(t)[search]
	byPanel := d.byPanel()
	table, overTime, oldest := byPanel["Admin requests"], byPanel["Hits over time"], byPanel["Oldest read"]
	if len(byPanel) != 3 || table.expr == "" || overTime.expr == "" || !oldest.forward || oldest.limit != 1 {
		t.Fatalf("%s has the queries %v", search, byPanel)
	}

	services := []value{some("panel", "shop.admin"), one("panel"), one("shop.admin"), one("no.such")}
	environments := []value{d.vars["environment"], one("production"), some("production", "staging")}
	opened := d.vars.with("service", services[0])
	settings := []setting{{"as opened", opened}}
	for _, v := range services[1:] {
		settings = append(settings, setting{fmt.Sprintf("service=%q", v.text), opened.with("service", v)})
	}
	for _, v := range environments[1:] {
		settings = append(settings, setting{fmt.Sprintf("environment=%q", v.text), opened.with("environment", v)})
	}
	random := rand.New(rand.NewPCG(5, 6))
	texts := slices.Concat(awkward, []string{"WEB", "started", "purge", "service-9", "sign-in failure", `as "Ben`, "root", "note ", "499", "2001:db8"})
	for i, text := range texts {
		searching := opened.with("search", one(text))
		settings = append(settings, setting{fmt.Sprintf("search=%q", text), searching})
		together := searching.with("service", services[random.IntN(3)]).with("environment", environments[random.IntN(3)])
		settings = append(settings, setting{fmt.Sprintf("together %d", i), together})
	}

	within := lokitest.Range{From: to.Add(-day), To: to}
	var matching atomic.Int64
	for _, s := range settings {
		for _, read := range []string{linesOf, serviceName} {
			vars := s.vars.with("read", one(read))
			t.Run(s.name+" "+read, func(t *testing.T) {
				t.Parallel() // Loki answers several at once
				var want []string
				counted := map[string]float64{}
				first := time.Time{}
				for i := range events {
					e := &events[i]
					if !e.Time.After(within.From) || !e.Time.Before(to) || !selected(e, vars) {
						continue
					}
					if first.IsZero() {
						first = e.Time
					}
					if strings.Contains(strings.ToLower(e.Sentence()), strings.ToLower(vars["search"].text[0])) {
						row := parts(e)
						want = append(want, fmt.Sprint(e.Time.UnixNano(), " ", labelKey(row)))
						if read == linesOf {
							counted["admin_interface="+row["admin_interface"]]++
						} else {
							counted[key(e, "admin_interface")]++
						}
					}
				}
				matching.Add(int64(len(want)))

				expr := interpolate(t, table.expr, vars)
				rows, err := loki.Query(t.Context(), expr, within)
				if err != nil {
					t.Fatalf("%v\n%s", err, expr)
				}
				var got []string
				for _, row := range rows {
					fields := map[string]string{}
					maps.Copy(fields, row.Metadata)
					maps.Copy(fields, row.Parsed)
					got = append(got, fmt.Sprint(row.Time.UnixNano(), " ", labelKey(fields)))
				}
				if !slices.Equal(got, want) {
					t.Fatalf("rows\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), expr)
				}
				equalNumbers(t, instant(t, loki, overTime.expr, vars, to, day), counted)

				all, err := loki.Query(t.Context(), interpolate(t, oldest.expr, vars), within)
				if err != nil {
					t.Fatal(err)
				}
				if !first.IsZero() && (len(all) == 0 || !all[0].Time.Equal(first)) {
					t.Errorf("the oldest read is not of %v", first)
				}
			})
		}
	}
	enough(t, &matching)
}

// selected says in plain Go whether the variables select an event's stream.
func selected(e *event, vars variables) bool {
	environment := vars["environment"]
	return vars["service"].contains(e.service) && (environment.isAll() || environment.contains(e.environment))
}

// In a Loki without anything there is no service to choose. That is no data, not
// an error.
func TestAdminSearchOfNothing(t *testing.T) {
	loki := lokitest.Start(t)
	d := loadDashboards(t)[search]
	for _, read := range []string{linesOf, serviceName} {
		for _, q := range d.queries {
			expr := strings.ReplaceAll(interpolate(t, q.expr, d.vars.with("read", one(read))), "$__auto", "1h")
			if q.log {
				if rows, err := loki.Query(t.Context(), expr, lokitest.Last(day)); err != nil || len(rows) > 0 {
					t.Errorf("%s: %d rows, %v", q.name(), len(rows), err)
				}
				continue
			}
			if samples, err := loki.Instant(t.Context(), expr, time.Now()); err != nil || len(samples) > 0 {
				t.Errorf("%s: %v, %v", q.name(), samples, err)
			}
		}
	}
}

// The variables that ask Loki for their options are never offered the lines as
// a service of their own.
func TestOptionsFromLoki(t *testing.T) {
	loki := lokitest.Start(t)
	store(t, loki, knownEvents(time.Now()))
	want := map[string][]string{"service": {"panel", "shop.admin"}, "environment": {"production", "staging"}}
	for file, d := range loadDashboards(t) {
		reads := []string{""}
		if file == search {
			reads = []string{linesOf, serviceName}
		}
		for _, read := range reads {
			vars := d.vars
			if read != "" {
				vars = vars.with("read", one(read)).with("service", some(want["service"]...))
			}
			asked := 0
			for _, v := range d.list {
				if v.Type != "query" || v.Datasource.UID != lokiUID || want[v.Name] == nil {
					continue
				}
				asked++
				var model struct{ Label, Stream string }
				if err := json.Unmarshal(v.Query, &model); err != nil {
					t.Fatal(err)
				}
				got := labelValues(t, loki, interpolate(t, model.Label, vars), interpolate(t, model.Stream, vars))
				if !slices.Equal(got, want[v.Name]) {
					t.Errorf("%s, variable %s offers %q, want %q", file, v.Name, got, want[v.Name])
				}
			}
			if asked != len(want) {
				t.Errorf("%s: %d of the variables service and environment ask Loki", file, asked)
			}
		}
	}
}

// labelValues asks Loki for a label's values among the streams of a selector.
func labelValues(t testing.TB, loki *lokitest.Server, label, selector string) []string {
	t.Helper()
	var answer struct{ Data []string }
	if err := loki.Get(t.Context(), "/loki/api/v1/label/"+label+"/values", url.Values{"query": {selector}}, &answer); err != nil {
		t.Fatal(err)
	}
	slices.Sort(answer.Data)
	return answer.Data
}
