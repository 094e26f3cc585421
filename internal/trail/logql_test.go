package trail

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

func TestLogQL(t *testing.T) {
	for name, test := range map[string]struct {
		scope  Scope
		filter Filter
		want   string
	}{
		"everything": {want: `{service_name=~".+", audit_lines_of=""} | admin_request_stage="complete"`},
		"scope": {scope: Scope{Services: []string{"panel", "a.b"}, Environments: []string{"production"}},
			want: `{service_name=~"panel|a\\.b", deployment_environment_name=~"production", audit_lines_of=""} | admin_request_stage="complete"`},
		"search": {filter: Filter{Search: "a.b`\"\\"},
			want: `{service_name=~".+", audit_lines_of=""} |~ "(?i)a\\.b` + "`" + `\"\\\\" | admin_request_stage="complete"`},
		"all": {filter: Filter{Interfaces: []adminsessions.Type{adminsessions.Web}, Methods: []string{"GET", "PUT"},
			StatusClasses: []int{4, 5}, User: "a@b", Address: "::1", Session: "s", Hide: adminsessions.User{ID: "1", Email: "c@d"}},
			want: `{service_name=~".+", audit_lines_of=""} | admin_request_stage="complete" | admin_interface="web" | http_request_method=~"GET|PUT"` +
				` | http_response_status_code=~"4..|5.." | user_email="a@b" or user_id="a@b" | client_address="::1" | session_id="s"` +
				` | user_email!="c@d" | user_id!="1"`},
		"started": {filter: Filter{Stage: adminsessions.Started, RequestIDs: []string{"x"}},
			want: `{service_name=~".+", audit_lines_of=""} | admin_request_stage="started" | admin_request_id="x"`},
	} {
		if got := logQL(test.scope, test.filter); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
	if got, want := countQL("{}", 24*time.Hour), `sum(count_over_time({} [86400000ms]))`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzQuote quotes any text: what comes of it is one string of LogQL's grammar,
// which is Go's, and means that text.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", `"`, "`", `\`, "\n", "\x00", "\xff", "\u2028", `"} or {a="b"`, "$x", "😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := quote(s)
		got, err := strconv.Unquote(quoted)
		if err != nil || got != strings.ToValidUTF8(s, "\uFFFD") {
			t.Errorf("quote(%q) = %s, which is %q, %v", s, quoted, got, err)
		}
		if strings.ContainsAny(quoted, "\n\x00") {
			t.Errorf("quote(%q) = %q has a raw control character", s, quoted)
		}
	})
}

func TestSearchPatterns(t *testing.T) {
	for text, want := range map[string][]string{
		"anna@example.com": {`(?i)anna@example\.com`},
		"Łukasz":           {"(?i)Łukasz", "(?i)Łukasz(?s:.?)"},
		"Роман":            {"(?i)ман", "(?i)Роман(?s:.?)"}, // Р and р start with other bytes, О has a third case
		"İstanbul":         {"(?i)stanbul", "(?i)İstanbul(?s:.?)"},
		"Р":                {"(?i)Р(?s:.?)"},
		"ſ":                {"(?i)ſ(?s:.?)"},
	} {
		if got := searchPatterns(text); !slices.Equal(got, want) {
			t.Errorf("searchPatterns(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCursor(t *testing.T) {
	c := Cursor{Nanos: 1795000000000000001, Hash: 0xfedcba9876543210}
	if got, err := ParseCursor(c.String()); err != nil || got != c {
		t.Errorf("ParseCursor(%s) = %v, %v", c, got, err)
	}
	for _, s := range []string{"", "1", "1.", ".1", "-1.1", "0.0", "x.1", "1.x", "1.1.1", "99999999999999999999.1"} {
		if _, err := ParseCursor(s); err == nil {
			t.Errorf("ParseCursor(%q): no error", s)
		}
	}
}
