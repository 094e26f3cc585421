package dashboards_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
)

// lokiQueries are the queries over Loki of a dashboard, those of its variables
// included, by where they stand.
func (d *dashboard) lokiQueries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range d.panels() {
		for _, target := range p.Targets {
			if target.Datasource.UID == lokiUID {
				all[d.where(p)+" "+target.RefID] = target.Expr
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var query struct{ Stream string }
		if err := json.Unmarshal(v.Query, &query); err != nil {
			t.Fatal(err)
		}
		all[d.file+", variable "+v.Name] = query.Stream
	}
	return all
}

// A piece of a LogQL query: code, or what stands between quotes.
type piece struct {
	quote byte // 0 for code, '`' or '"'
	text  string
}

// pieces takes a query apart as Loki's lexer does.
func pieces(expr string) []piece {
	var all []piece
	for len(expr) > 0 {
		i := strings.IndexAny(expr, "`\"")
		if i < 0 {
			return append(all, piece{text: expr})
		}
		all = append(all, piece{text: expr[:i]})
		quote := expr[i]
		end := i + 1
		for end < len(expr) && expr[end] != quote {
			if quote == '"' && expr[end] == '\\' {
				end++
			}
			end++
		}
		all = append(all, piece{quote, expr[i+1 : end]})
		expr = expr[min(end+1, len(expr)):]
	}
	return all
}

var (
	// The two ways in which a variable may enter a query.
	asLiteral = regexp.MustCompile(`\(\?:\$\{\w+:regex\}(?:=\$\{__user\.email:regex\})?\)`)
	asEncoded = regexp.MustCompile(`\$\{\w+:percentencode\}`)
	// Go's templates have variables, too; Grafana leaves alone what is none of its
	// dashboard's.
	ofTemplate = regexp.MustCompile(`\$[kvf]\b|index \$ `)
	macro      = regexp.MustCompile(`\[\$__(?:range|auto)\]|offset \$__range`)
)

// Every variable of every query stands where no value can end its string: as a
// literal in a group of a regular expression in backticks, or percent-encoded.
func TestVariablesCannotLeaveTheirStrings(t *testing.T) {
	references := 0
	for _, d := range load(t) {
		for _, v := range d.Templating.List {
			if ofTemplate.MatchString("$" + v.Name) {
				t.Errorf("%s: a template has the name of the variable %s", d.file, v.Name)
			}
		}
		for where, expr := range d.lokiQueries(t) {
			for _, p := range pieces(expr) {
				rest := p.text
				references += strings.Count(rest, "${")
				switch p.quote {
				case 0:
					rest = macro.ReplaceAllString(rest, "")
				case '`':
					rest = asEncoded.ReplaceAllString(asLiteral.ReplaceAllString(rest, ""), "")
					rest = ofTemplate.ReplaceAllString(rest, "")
				}
				if strings.ContainsAny(rest, "$") || strings.Contains(rest, "[[") {
					t.Errorf("%s: a variable that a value can leave, in %q of\n%s", where, p.text, expr)
				}
			}
		}
		for _, p := range d.panels() {
			for _, target := range p.Targets {
				// Grafana cuts a query over more than a day into days, or, if it is told to,
				// into shards, and then expands its variables twice, but not where its
				// refId says these words.
				if target.Datasource.UID == lokiUID && !strings.HasSuffix(target.RefID, "-do-not-chunk-do-not-shard") {
					t.Errorf("%s: refId %q: Grafana would expand the variables twice", d.where(p), target.RefID)
				}
				if target.Datasource.UID == prometheusUID && strings.Contains(strings.NewReplacer("[$__range]", "", "[$__rate_interval]", "").Replace(target.Expr), "$") {
					t.Errorf("%s: a variable in a query of Prometheus: %s", d.where(p), target.Expr)
				}
			}
		}
	}
	if references < 100 {
		t.Errorf("only %d references to variables found", references)
	}
}

// selector finds the stream selectors: they stand before a filter, a parser, a
// range or the end.
var selector = regexp.MustCompile("\\{[a-z_]+=~?[`\"][^{}]*(?:\\$\\{[^}]*\\}[^{}]*)*\\}")

// Every query begins with the services and environments that are chosen.
func TestQueriesSelectServices(t *testing.T) {
	for _, d := range load(t) {
		for where, expr := range d.lokiQueries(t) {
			if strings.Contains(where, ", variable ") {
				continue
			}
			found := selector.FindAllString(expr, -1)
			if len(found) == 0 {
				t.Errorf("%s: no selector in %s", where, expr)
			}
			for _, s := range found {
				for _, want := range []string{"service_name=~`(?:${service:regex})`", "deployment_environment_name=~`(?:${environment:regex})`"} {
					if !strings.Contains(s, want) {
						t.Errorf("%s: selector %s has no %s", where, s, want)
					}
				}
			}
		}
	}
}

// ruleQueries are the rules over Loki as they stand in the files.
func ruleQueries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range ruleFiles[1:] {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(data), "expr: |-\n")[1:] {
			expr, _, _ := strings.Cut(part, "labels:")
			expr, _, _ = strings.Cut(expr, "- refId: B")
			all[file+" "+string(rune('A'+i))] = expr
		}
	}
	return all
}

var (
	negativeLine = regexp.MustCompile(`(?:!=|!~)\s*S`)
	unnamed      = regexp.MustCompile(`\blogfmt [a-z_]+,`)
)

// Rules of LogQL that cost dearly, or lose events in silence, when broken.
func TestQueriesKeepTheRules(t *testing.T) {
	queries := ruleQueries(t)
	if len(queries) < 20 {
		t.Fatalf("only %d rules found", len(queries))
	}
	for _, d := range load(t) {
		maps.Copy(queries, d.lokiQueries(t))
	}
	for where, expr := range queries {
		var code strings.Builder
		for _, p := range pieces(expr) {
			if p.quote == 0 {
				code.WriteString(p.text)
				continue
			}
			code.WriteString("S")
			if strings.Contains(p.text, "(?s:") || strings.Contains(p.text, "[^") && !strings.Contains(p.text, "regexReplace") || strings.Contains(p.text, `\S`) {
				t.Errorf("%s: the expression %q is dear to compile or to match", where, p.text)
			}
		}
		// A negative line filter could hide an event; U+FFFD is in none.
		plain := strings.ReplaceAll(expr, `!= "\uFFFD"`, "")
		var filters strings.Builder
		for _, p := range pieces(plain) {
			if p.quote == 0 {
				filters.WriteString(p.text)
			} else {
				filters.WriteString("S")
			}
		}
		for _, m := range negativeLine.FindAllStringIndex(filters.String(), -1) {
			if before := strings.TrimSpace(filters.String()[:m[0]]); before == "" || !regexp.MustCompile(`\w$`).MatchString(before) {
				t.Errorf("%s: a negative line filter in %s", where, expr)
			}
		}
		// Grouped metric queries get only the first of several names.
		if unnamed.MatchString(code.String()) {
			t.Errorf("%s: logfmt with several names in %s", where, expr)
		}
		// Labels taken out of foreign lines must not hold U+FFFD.
		if strings.Contains(expr, "| pattern") && !strings.Contains(expr, "audit_log_id!=") && !strings.Contains(expr, `!= "\uFFFD"`) && strings.Contains(expr, "by (") && !strings.Contains(expr, "by (service_name)") {
			t.Errorf("%s: takes labels out of lines that may hold U+FFFD: %s", where, expr)
		}
	}
}

// vocabulary is every name that may stand in a query over Loki.
func vocabulary() map[string]bool {
	names := map[string]bool{
		"service_name": true, "service_instance_id": true, "deployment_environment_name": true, "audit_log_id": true, "seq": true,
		// Made by the queries themselves.
		"nothing": true, "human": true, "host": true, "rest": true, "act": true, "where": true, "path": true, "key": true, "from": true, "to": true, "mail": true, "user": true, "word": true, "seen": true, "hour": true, "weekday": true, "n": true, "who": true,
		// Attributes of the trail's own events.
		"attr_up_to": true, "attr_size": true, "attr_spool": true,
	}
	for f := range adminsessions.Fields() {
		names[f.Name] = true
	}
	return names
}

var (
	compared = regexp.MustCompile(`\b([a-z_]\w*)\s*(?:=~|!~|!=|=|>=|<=|<|>)\s*(?:S|\d)`)
	grouped  = regexp.MustCompile(`\b(?:by|on)\s*\(([^)]*)\)`)
	unwraps  = regexp.MustCompile(`\bunwrap\s+(\w+)`)
	keeps    = regexp.MustCompile(`\b(?:keep|drop)\s+([\w, ]+)`)
	captures = regexp.MustCompile(`<([a-z]\w*)>`)
)

// names returns the label names that a LogQL query uses.
func names(expr string) []string {
	var found []string
	var code strings.Builder
	for _, p := range pieces(expr) {
		if p.quote == 0 {
			code.WriteString(p.text)
			continue
		}
		code.WriteString("S")
		if p.quote == '"' {
			for _, m := range captures.FindAllStringSubmatch(p.text, -1) {
				found = append(found, m[1])
			}
		}
	}
	expr = regexp.MustCompile(`label_format(?:[^|]|\n)*`).ReplaceAllString(code.String(), "")
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
	queries := ruleQueries(t)
	for _, d := range load(t) {
		maps.Copy(queries, d.lokiQueries(t))
	}
	for where, expr := range queries {
		used := names(expr)
		if len(used) == 0 {
			t.Errorf("%s: no names found in %s", where, expr)
		}
		for _, name := range used {
			if !known[name] {
				t.Errorf("%s: %q is no name of an event", where, name)
			}
		}
	}
}
