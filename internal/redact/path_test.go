package redact

import (
	"net/url"
	"strings"
	"testing"
)

func hidePaths(t testing.TB, patterns ...string) *Redactor {
	t.Helper()
	var r Redactor
	for _, s := range patterns {
		p, err := ParsePathPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		r.HidePath(p)
	}
	return &r
}

func TestPathPatterns(t *testing.T) {
	r := hidePaths(t, "/invite/{token}/accept", "/*/reset/{token}", "/files/{rest...}", "/{a}/between/{b}", "/files/7/{name}")
	for target, want := range map[string]string{
		"/invite/s3cr3t/accept":   "/invite/REDACTED/accept",
		"/invite/s3cr3t/accept/":  "/invite/REDACTED/accept/",
		"/invite/s3cr3t":          "/invite/REDACTED",
		"/invite/s3cr3t/other":    "/invite/REDACTED/other",
		"/invite/":                "/invite/",
		"/invite":                 "/invite",
		"/invites/7":              "/invites/7",
		"/users/invite/7":         "/users/invite/7",
		"/admin/reset/s3cr3t?x=1": "/admin/reset/REDACTED?x=1",
		"/reset/s3cr3t":           "/reset/s3cr3t",
		"/files/a/b/c":            "/files/REDACTED/REDACTED/REDACTED",
		"/files/7/x":              "/files/REDACTED/REDACTED",
		"/files/":                 "/files/",
		"/x/between/y":            "/REDACTED/between/REDACTED",
		"/x/beside/y":             "/x/beside/y",
		"/a%2Fb":                  "/a%2Fb",
		"/":                       "/",
	} {
		if got := request(r, target); got != want {
			t.Errorf("%s\n got %s\nwant %s", target, got, want)
		}
	}
}

// A segment that is a secret stands nowhere, however the path is written.
func TestHiddenSegmentsFailClosed(t *testing.T) {
	const secret = "S3CRETSEGMENT"
	r := hidePaths(t, "/reset/{token}")
	for _, path := range []string{
		"/reset/T", "//reset/T", "/reset//T", "///reset///T", "/reset/./T", "/./reset/T", "/x/../reset/T", "/x/y/../../reset/T", "/reset/x/../T",
		"/%72eset/T", "/%2572eset/T", "/reset%2FT", "/reset%2fT", "/reset%252FT", "/%2Freset/T", "/%2Freset%2FT", "/Reset/T", "/RESET/T",
		"/reset/T%20", "/reset/%20T", "/reset%20/T", "/reset/T.", "/reset./T", "/reset/T/", "/reset/T//", "/reset/T/.", "/reset/T/x", "/reset/T/../T",
		"/reset;a=1/T", "/reset;/T", "/reset/T;a=1", "/reset/;T", "/reset/;a=T", "/reset/;a=1;T", "/;a/reset/T", "/x/..;/reset/T", "/..;/reset/T",
		`/reset\T`, `\reset\T`, `/x\..\reset\T`, "/reset%5CT", "/x/..%5Creset/T", "/x/%2e%2e/reset/T", "/x/%252e%252e/reset/T", "/x/.%2e/reset/T",
		"/reset/%00T", "/re%00set/T", "/reset%00/T", "/.%00./reset/T", "/reset/T%00", "/reset%09/T", "/x/..%00/reset/T", "/%E2%80%8Breset/T",
		"/reset/T%3Fx", "/reset%3F/T", "/reset%23/T", "/reset/T%23x", "/index.php/../reset/T", "/x/..%2freset/T", "/%u0072eset/T", "/reset+/T",
		"/ＲＥＳＥＴ/T", "/reset/T&x", "/x/..%3B/reset/T", "/reset%3Ba=1/T",
		"/reset%c0%afT", "/reset%e0%80%afT", "/reset%C1%9CT", "/%c1%b2eset/T", "/x/%c0%ae%c0%ae/reset/T", "/reset%EF%BC%8FT", "/reset%E2%88%95T", "/reset%E2%81%84T",
		"/reset%EF%BC%BCT", "/%EF%BD%92eset/T", "/re%0Dset/T", "/re%0A%09set/T",
	} {
		path = strings.ReplaceAll(path, "T", secret)
		path = strings.ReplaceAll(strings.ReplaceAll(path, "RESE"+secret, "RESET"), "ＲＥＳＥ"+secret, "ＲＥＳＥＴ")
		if got := request(r, path); strings.Contains(got, secret) {
			t.Errorf("%s is recorded as %s", path, got)
		}
		for _, nested := range []string{
			"/a?next=" + path, "/a?next=" + url.QueryEscape(path), "/a?next=" + url.QueryEscape("https://panel.example"+path),
			"/a?next=" + url.QueryEscape(url.QueryEscape("https://panel.example"+path+"?x=1")), "/a?v=" + url.QueryEscape(`{"url":"https://panel.example`+path+`"}`),
			"/proxy/https://panel.example" + path,
		} {
			if got := request(r, nested); strings.Contains(got, secret) && !strings.Contains(path, "&") {
				t.Errorf("%s is recorded as %s", nested, got)
			}
		}
		for _, text := range []string{"https://panel.example" + path, path + "?x=1"} {
			if got, _ := r.URL(text, 512); strings.Contains(got, secret) {
				t.Errorf("%s in a header is recorded as %s", text, got)
			}
			if got := r.Text("see " + text); strings.Contains(got, secret) {
				t.Errorf("%s in a text is recorded as %s", text, got)
			}
		}
	}
	for _, path := range []string{"/reset/", "/reset", "/reset/?x=1", "/users/7/reset/8", "/preset/7", "/reset-all/7"} {
		if got := request(r, path); got != path {
			t.Errorf("%s is recorded as %s", path, got)
		}
	}
}

// To some routers nothing between two slashes is a segment.
func TestEmptySegments(t *testing.T) {
	r := hidePaths(t, "/clients/*/notes/{token}")
	for _, path := range []string{"/clients/7/notes/hush", "/clients//notes/hush", "//clients/7/notes/hush", "/clients//7/notes/hush", "/clients/7//notes//hush"} {
		if got := request(r, path); strings.Contains(got, "hush") {
			t.Errorf("%s is recorded as %s", path, got)
		}
	}
}

func TestPathPatternsThatSayNothingAreRefused(t *testing.T) {
	for _, s := range []string{"", "invite/{token}", "/invite", "/invite/{}", "/a{token}", "/{rest...}/x", "/*/x", "/a/{...}"} {
		if _, err := ParsePathPattern(s); err == nil {
			t.Errorf("pattern %q is accepted", s)
		}
	}
}

func TestWildcardsWithASecretsName(t *testing.T) {
	var r Redactor
	for _, c := range [][3]string{ // route, URL as recorded, without what the wildcard stands for
		{"/reset/{token}", "https://h/reset/T7?x=1", "https://h/reset/REDACTED?x=1"},
		{"GET panel.example/reset/{token}", "https://h/reset/T7", "https://h/reset/REDACTED"},
		{"/reset/{token}/{$}", "https://h/reset/T7/", "https://h/reset/REDACTED/"},
		{"/clients/{id}/invite/{code}", "https://h/clients/7/invite/T7", "https://h/clients/7/invite/REDACTED"},
		{"/reset/{resetToken:[a-z0-9]+}", "https://h/reset/T7", "https://h/reset/REDACTED"},
		{"/reset/:token", "https://h/reset/T7", "https://h/reset/REDACTED"},
		{"/reset/*token", "https://h/reset/T7/T8", "https://h/reset/REDACTED/REDACTED"},
		{"/s/{secret...}", "https://h/s/T7/T8", "https://h/s/REDACTED/REDACTED"},
		{"/reset/{token}", "https://h/admin/reset/T7", "https://h/admin/reset/REDACTED"},
		{"/reset/{token}", "https://h//reset/./T7", "https://h//reset/./REDACTED"},
		{"/clients/{id}", "https://h/clients/7", "https://h/clients/7"},
		{"/settings/{key}", "https://h/settings/smtp_host", "https://h/settings/smtp_host"},
		{"/countries/{code}", "https://h/countries/PL", "https://h/countries/PL"},
		{"/api-keys/{id}", "https://h/api-keys/7", "https://h/api-keys/7"},
		{"/things/{key}", "https://h/things/T7", "https://h/things/REDACTED"},
	} {
		got := c[1]
		if p, ok := r.RoutePattern(c[0]); ok {
			got = HideIn(c[1], p)
		}
		if got != c[2] {
			t.Errorf("%s: %s\n got %s\nwant %s", c[0], c[1], got, c[2])
		}
	}
}
