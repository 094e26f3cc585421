package dashboards_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// attacks are values that try to leave the string they stand in.
var attacks = []string{
	"`", "``", "`x`", "a`b",
	"` | label_format email=`victim@example.com` #",
	"` | label_format email=`victim@example.com`, who=`victim` | line_format `",
	"` | email!=`anna@example.com` #",
	"x` | drop email #",
	"`)", ")`", "(?:`)", "`(", "x)`!=`anna",
	"` [24h])) or vector(666) #",
	"` [24h])) or sum(count_over_time({service_name=~`.+`} |= `",
	"`, service_instance_id=~`none", "`} or {service_name=~`.+",
	"`\n | drop email\n #", "\\`", "\\\\` #", "`\"", "\"`", "'`'", "{{`}}",
	"`) != `x", "`!=`x", "` or `x", "%60`", "\u0060",
}

// harmless are values that a query language could take for something else; they
// stay texts.
var harmless = []string{
	`"`, `"} | drop email #`, `\`, `\\`, `\"`, "'", "a\nb", "#", "# x\n", "(?:", ")", "(", "[", `\Q`, `\E`, "x|y", "{{ .email }}", "{{", "}}",
	"$admin", "${admin}", "[[admin]]", "${admin:raw}", "$search", "$__user", "${__user.email}", "$__url", "${__url}", "$1", "|", "| drop email",
	"{service_name=~\".+\"}", "%60", "%", "&", "a\tb", "\x01", "\uFFFD", "é", "日本", "${", "$", "$$", ".*", "^", "x{1000}",
}

// asks sends a query to Loki and returns what it answers, as text.
func asks(t testing.TB, loki *lokitest.Server, q query, expr string, to time.Time) (string, error) {
	t.Helper()
	expr = ranged(expr, "86400s", "3600s")
	if q.log {
		rows, err := loki.Query(t.Context(), expr, lokitest.Range{From: to.Add(-day), To: to})
		var said strings.Builder
		for _, row := range rows {
			fmt.Fprintln(&said, row.Line, row.Parsed)
		}
		return said.String(), err
	}
	samples, err := loki.Instant(t.Context(), expr, to)
	return fmt.Sprint(samples), err
}

// No value of any variable of any query leaves its string. One with a backtick
// makes a query that Loki refuses, whatever else it holds; any other is a text.
func TestNoValueLeavesItsString(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	store(t, loki, knownEvents(to))
	tried := 0
	for file, d := range loadDashboards(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			for _, q := range d.queries {
				for name := range d.vars {
					if !strings.Contains(q.expr, "${"+name+":") {
						continue
					}
					encoded := !strings.Contains(q.expr, "${"+name+":regex}")
					for _, text := range attacks {
						answer, err := asks(t, loki, q, q.filledIn(t, d.vars.with(name, one(text))), to)
						if err == nil && !encoded {
							t.Errorf("%s, %s=%q: Loki answers %.200s", q.name(), name, text, answer)
						}
						if encoded && err != nil {
							t.Errorf("%s, %s=%q: %v", q.name(), name, text, err)
						}
						if err != nil && !strings.Contains(err.Error(), "status 400: parse error") {
							t.Errorf("%s, %s=%q: not refused for its form: %v", q.name(), name, text, err)
						}
						// As one of several values, too.
						if answer, err := asks(t, loki, q, q.filledIn(t, d.vars.with(name, some("x", text))), to); err == nil && !encoded {
							t.Errorf("%s, %s=x and %q: Loki answers %.200s", q.name(), name, text, answer)
						}
					}
					for _, text := range harmless {
						if _, err := asks(t, loki, q, q.filledIn(t, d.vars.with(name, one(text))), to); err != nil {
							t.Errorf("%s, %s=%q: %v", q.name(), name, text, err)
						}
					}
				}
			}
		})
		tried += len(d.queries)
	}
	if tried < 50 {
		t.Errorf("only %d queries", tried)
	}
}

// Two variables together: one that names the other, whose value would close the
// group if Grafana expanded the first a second time.
func TestNoPairOfValuesLeavesItsString(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	store(t, loki, knownEvents(to))
	for file, d := range loadDashboards(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			for _, q := range d.queries {
				for first := range d.vars {
					for second := range d.vars {
						if first != second && strings.Contains(q.expr, "${"+first+":regex}") {
							noPair(t, loki, q, d.vars, first, second, to)
						}
					}
				}
			}
		})
	}
}

// noPair tries texts in one variable that another one names.
func noPair(t *testing.T, loki *lokitest.Server, q query, vars variables, first, second string, to time.Time) {
	t.Helper()
	for _, text := range []string{"xx)` | drop email #", "xx)|(.*"} {
		named := vars.with(first, one("$"+second)).with(second, one(text))
		plain := vars.with(first, one("no such text at all")).with(second, one(text))
		answer, err := asks(t, loki, q, q.filledIn(t, named), to)
		want, wantErr := asks(t, loki, q, q.filledIn(t, plain), to)
		if (err == nil) != (wantErr == nil) || err == nil && answer != want {
			t.Errorf("%s, %s=$%s and %q: %v, %.200s\nwant %v, %.200s", q.name(), first, second, text, err, answer, wantErr, want)
		}
	}
}

// The queries that fill the lists of variables are no way out either.
func TestOptionsFromLoki(t *testing.T) {
	loki := lokitest.Start(t)
	store(t, loki, knownEvents(time.Now()))
	want := map[string]string{"service": `["panel","shop.admin"]`, "environment": `["production","staging"]`}
	for file, d := range loadDashboards(t) {
		asked := 0
		for _, v := range d.list {
			if v.Type != "query" {
				continue
			}
			asked++
			var model struct{ Label, Stream string }
			if err := json.Unmarshal(v.Query, &model); err != nil {
				t.Fatal(err)
			}
			values := func(vars variables) (string, error) {
				var answer struct{ Data json.RawMessage }
				err := loki.Get(t.Context(), "/loki/api/v1/label/"+model.Label+"/values", map[string][]string{"query": {interpolate(t, model.Stream, vars)}}, &answer)
				return string(answer.Data), err
			}
			if got, err := values(d.vars); err != nil || got != want[v.Name] {
				t.Errorf("%s, variable %s offers %s, %v, want %s", file, v.Name, got, err, want[v.Name])
			}
			if !strings.Contains(model.Stream, "${service:") {
				continue
			}
			for _, text := range attacks {
				if got, err := values(d.vars.with("service", one(text))); err == nil {
					t.Errorf("%s, variable %s with service=%q offers %s", file, v.Name, text, got)
				}
			}
		}
		if asked != len(want) {
			t.Errorf("%s: %d of the variables service and environment ask Loki", file, asked)
		}
	}
}
