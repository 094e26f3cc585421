package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const (
	pageOfTrail = "/admin/monitoring/admin-sessions/"
	apiOfTrail  = "/admin/api/admin_session_logs"
)

// injections ask the page of the trail with values that try to end the string
// that they stand in. Each must be answered as a search that finds nothing, or
// refused; never with an error of Loki's, never with rows that were not asked
// for.
func injections() []attack {
	values := []string{
		"`", `"`, `\`, "` |~ `", "`} or vector(1) #", `") or vector(1) #`, `"} | line_format "x`, "` | label_format email=`anna@example.com",
		`{service_name=~".+"}`, ".*", "(", "[", "*", "(?i)", `\Q`, `\E.*`, "$__range", "${__user.email}", "{{.email}}", "%00", "\x00", "\xff", "\n", "\t",
		"a\ufffdb", "' OR 1=1 --", strings.Repeat("(", 500), strings.Repeat("a", 9000), "<script>alert(1)</script>",
	}
	var attacks []attack
	for i, value := range values {
		never := "no such text " + value
		for _, parameter := range []string{"q", "admin"} {
			attacks = append(attacks, attack{
				name:    fmt.Sprintf("inject-%s-%02d", parameter, i+1),
				request: request{target: apiOfTrail + "?" + url.Values{parameter: {never}, "range": {"1h"}}.Encode(), as: "anna"},
				want:    want{email: "anna@example.com"},
				check:   findsNothing,
			})
		}
	}
	for i, query := range []string{
		"ip=%60", "ip=10.0.0.0%2F99", "ip=1.2.3.4%22%7D", "method=GET%60", "status=%22", "status=9999999999999999999", "type=%7B", "sort=%60", "range=%60", "range=-1h",
		"from=%60&to=%60", "at=%60", "admn=anna", "q=a&q=b", "size=999999999", "size=-1", "page=-1", "lang=..%2F..%2Fetc", "zone=..%2F..%2Fetc%2Fpasswd", "%00=x", "q=%zz", ";",
	} {
		attacks = append(attacks, attack{
			name:    fmt.Sprintf("inject-parameter-%02d", i+1),
			request: request{target: apiOfTrail + "?" + query, as: "anna"},
			want:    want{email: "anna@example.com"},
			check:   isNoServerError,
		})
	}
	return attacks
}

func findsNothing(t *testing.T, a *attack, _ []line) {
	t.Helper()
	isNoServerError(t, a, nil)
	if a.answer == nil || a.answer.StatusCode != http.StatusOK {
		return
	}
	var found map[string]json.RawMessage
	if err := json.NewDecoder(a.answer.Body).Decode(&found); err != nil {
		t.Errorf("the answer is no JSON: %v", err)
		return
	}
	for key, value := range found {
		var rows []json.RawMessage
		if json.Unmarshal(value, &rows) == nil && len(rows) > 0 {
			t.Errorf("%s has %d rows, want none: %.300s", key, len(rows), value)
		}
	}
}

func isNoServerError(t *testing.T, a *attack, _ []line) {
	t.Helper()
	if a.answer != nil && a.answer.StatusCode >= 500 {
		body, _ := io.ReadAll(a.answer.Body)
		t.Errorf("answered %s: %.300s", a.answer.Status, body)
	}
}

// lookAtThePage opens the page, with all the attacks of the last hour on it, and
// exports them: what strangers wrote is text wherever it is shown.
func (s *suite) lookAtThePage(t *testing.T) {
	t.Helper()
	s.loki.Await(t.Context(), trail+` |= "attack/forge-note-01."`, lokitest.Last(time.Hour), 1)
	view := func(name, target string) string {
		t.Helper()
		a := &attack{name: name}
		resp, err := s.exchange(a, s.stranger(), request{target: target, as: "browser"}.bytes(s, a))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return ""
		}
		body, err := io.ReadAll(resp.Body)
		// A search that can't be understood is answered with a page that says so.
		if err != nil || resp.StatusCode != http.StatusOK && (name != "page-search" || resp.StatusCode != http.StatusBadRequest) {
			t.Errorf("%s: %s, %v: %.300s", name, resp.Status, err, body)
		}
		return string(body)
	}
	mustBeTame(t, view("page-newest", pageOfTrail+"?range=1h&size=200"))
	page := view("page-html", pageOfTrail+"?"+url.Values{"range": {"1h"}, "size": {"200"}, "q": {"<script>alert(1)"}}.Encode())
	if name := "&lt;script&gt;alert(1)&lt;/script&gt;"; !strings.Contains(page, name) || !strings.Contains(page, "created") {
		t.Errorf("the page does not show the client that was given a script for a name: want %s", name)
	}
	mustBeTame(t, page)
	for _, search := range []string{"<script>alert(1)</script>", `"><svg onload=alert(1)>`, "' onmouseover='alert(1)", "</textarea><script>alert(1)</script>"} {
		mustBeTame(t, view("page-search", pageOfTrail+"?"+url.Values{"range": {"1h"}, "q": {search}}.Encode()))
	}
	mustHoldNoFormula(t, view("page-csv", pageOfTrail+"export.csv?range=1h"))
}

// mustBeTame: a page has its own scripts and styles, and links within the site.
func mustBeTame(t *testing.T, page string) {
	t.Helper()
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		tag := tokens.Token()
		if slices.Contains([]string{"iframe", "object", "embed", "base", "img", "math", "style"}, tag.Data) {
			t.Errorf("the page has %s", tag)
		}
		src := ""
		for _, a := range tag.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
				t.Errorf("the page has %s", tag)
			}
			if slices.Contains([]string{"href", "src", "action", "formaction"}, a.Key) {
				if strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "data:") || strings.HasPrefix(value, "//") || strings.HasPrefix(value, `/\`) {
					t.Errorf("the page leads elsewhere by %s", tag)
				}
			}
			if a.Key == "src" {
				src = value
			}
		}
		if tag.Data == "script" && src == "" && !isData(tag) {
			t.Errorf("the page has a script of its own: %s", tag)
		}
	}
}

// isData reports whether a script element only holds data.
func isData(tag html.Token) bool {
	return slices.ContainsFunc(tag.Attr, func(a html.Attribute) bool { return a.Key == "type" && strings.Contains(a.Val, "json") })
}

// mustHoldNoFormula: however a program divides the export, no cell is one.
func mustHoldNoFormula(t *testing.T, csv string) {
	t.Helper()
	if strings.Count(csv, "\n") < 50 {
		t.Errorf("the export has %d lines: %.300s", strings.Count(csv, "\n"), csv)
	}
	faults := 0
	for cell := range strings.FieldsFuncSeq(csv, func(r rune) bool { return strings.ContainsRune(",;\t|\r\n", r) }) {
		start := strings.TrimLeft(cell, `" `)
		if start == "" || !strings.ContainsAny(start[:1], "=+@-") || start == "-" || strings.Trim(start, "-+.0123456789\"") == "" {
			continue
		}
		if faults++; faults <= 5 {
			t.Errorf("a cell may be taken for a formula: %.200q", cell)
		}
	}
}
