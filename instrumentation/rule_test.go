package instrumentation

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// ask is a request as net/http's server would make it of a request line.
func ask(tb testing.TB, method, target string) *http.Request {
	tb.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		tb.Fatalf("%q is no request target: %v", target, err)
	}
	return &http.Request{Method: method, URL: u, Host: "panel.example", Header: http.Header{}, RequestURI: target}
}

func TestRoutesYes(t *testing.T) {
	for _, c := range []struct{ pattern, method, target string }{
		{"/", "GET", "/"},
		{"/", "DELETE", "/anything/at/all"},
		{"/assets/", "GET", "/assets/"},
		{"/assets/", "GET", "/assets/app.css"},
		{"/assets/", "GET", "/assets/app.min.js?v=3"},
		{"/assets/", "GET", "/assets/fonts/inter@2x.woff2"},
		{"/assets/", "GET", "/assets/.well-known/x"},
		{"/assets/", "GET", "/assets/za%C5%BC%C3%B3%C5%82%C4%87.png"},
		{"/assets/", "GET", "/assets/a%20b.png"},
		{"/assets/", "HEAD", "/assets/app.css"},
		{"/assets/{path...}", "GET", "/assets/a/b"},
		{"GET /healthz", "GET", "/healthz"},
		{"GET /healthz", "HEAD", "/healthz"},
		{"GET\t /healthz", "GET", "/healthz?verbose=1"},
		{"/admin/{$}", "GET", "/admin/"},
		{"/client/{id}", "GET", "/client/7"},
		{"/client/{id}/edit", "GET", "/client/a:b/edit"},
		{"/caf%C3%A9", "GET", "/caf%C3%A9"},
		{"POST /csp", "POST", "/csp"},
	} {
		rule := Routes(c.pattern)
		if rule.err != nil {
			t.Fatal(rule.err)
		}
		if got := rule.match(ask(t, c.method, c.target)); got != yes {
			t.Errorf("%q: %s %s: %v, want yes", c.pattern, c.method, c.target, got)
		}
	}
}

func TestRoutesNo(t *testing.T) {
	for _, c := range []struct{ pattern, method, target string }{
		{"/assets/", "GET", "/"},
		{"/assets/", "GET", "/assetsx"},
		{"/assets/", "GET", "/admin/users/7"},
		{"/assets/", "GET", "/admin/assets/"},
		{"/assets/", "GET", "/ass"},
		{"GET /healthz", "GET", "/healthz/more"},
		{"GET /healthz", "DELETE", "/healthz"},
		{"GET /healthz", "GET", "/health"},
		{"DELETE /admin/", "GET", "/admin/users"},
		{"DELETE /admin/", "POST", "/admin/users"},
		{"DELETE /admin/", "GET", "/admin/users?q=deleted&page=2"},
		{"/admin/{$}", "GET", "/admin/users"},
		{"/client/{id}", "GET", "/client/"},
		{"/client/{id}", "GET", "/client/7/edit"},
		{"/client/{id}/edit", "GET", "/client/7"},
		{"/admin/settings/", "GET", "/za%C5%BC%C3%B3%C5%82%C4%87/x"[:1] + "x/za%C5%BC"},
	} {
		if got := ruleOf(t, c.pattern).match(ask(t, c.method, c.target)); got != no {
			t.Errorf("%q: %s %s: %v, want no", c.pattern, c.method, c.target, got)
		}
	}
}

func ruleOf(tb testing.TB, patterns ...string) *Rule {
	tb.Helper()
	rule := Routes(patterns...)
	if rule.err != nil {
		tb.Fatal(rule.err)
	}
	return &rule
}

// evasions are paths under /assets/, or in the place of /admin/, that some server reads
// as a path elsewhere. Of each a rule must be unsure, whatever its pattern.
var evasions = []string{
	"/assets/..;/admin/users/7/delete", "/assets/..;x=y/admin", "/assets/;/../admin", "/assets/x;/../../admin", "/assets;/admin",
	"/assets/..%5Cadmin", `/assets/..\admin`, "/assets/%5C..%5Cadmin", "/assets%5C..%5Cadmin", "/assets/x%5C",
	"/assets/.%00./admin", "/assets/%00", "/assets/x%00.css", "/assets/..%00/admin",
	"/assets/%252e%252e/admin", "/assets/%252E%252E%252Fadmin", "/assets/%25252e%25252e/admin", "/assets/%255c..", "/assets/100%25",
	"/assets/../admin", "/assets/./admin", "/assets/%2e%2e/admin", "/assets/%2E%2E/admin", "/assets/.%2e/admin", "/assets/%2e./admin",
	"/assets/..%2fadmin", "/assets/..%2Fadmin", "/assets%2f..%2fadmin", "/assets/%2f", "/%2fassets/x",
	"//assets/x", "/assets//x", "/assets//../admin", "///assets/../admin", "/./assets/x", "/admin/../assets/app.css",
	"/assets/...", "/assets/.../admin", "/assets/....//admin", "/assets/x./admin", "/assets/..%20/admin", "/assets/%20../admin", "/assets/x%20", "/assets/.%20./admin",
	"/assets/%09../admin", "/assets/%0d%0a/admin", "/assets/x%0aGET%20/admin", "/assets/%7f", "/assets/%1b",
	"/assets/%3f/../admin", "/assets/x%3Fy", "/assets/x%23/../../admin",
	"/assets/%c0%ae%c0%ae/admin", "/assets/%c0%afadmin", "/assets/%ff", "/assets/%ed%a0%80", "/assets/%e0%80%ae",
	"/assets/%EF%BC%8Fadmin", "/assets/%EF%BC%8E%EF%BC%8E/admin", "/assets/%E2%80%A5/admin", "/assets/%E2%80%A6", "/assets/%EF%BC%BCadmin",
	"/assets/%E2%88%95admin", "/assets/%E2%81%84admin", "/assets/%E3%80%82%E3%80%82/admin", "/assets/%EF%BC%85%EF%BC%92%EF%BD%86", "/assets/%CD%BE/admin", "/assets/%C2%A5..",
	"/assets/%E2%80%8B../admin", "/assets/%EF%BB%BF", "/assets/%C2%AD..", "/assets/%E2%80%AE",
	"/assets/%61pp.css", "/%61ssets/x", "/assets/%41", "/assets/%7euser",
	"/assets/%u002e%u002e/admin"[:8] + "%25u002e%25u002e/admin",
	"/assets/%2A", "/assets/%22%22/admin", "/assets/%3c%3c/admin", "/assets/%7Cls", "/assets/%60id%60", "/assets/%7B%7D",
}

func TestRoutesUnsureOfPaths(t *testing.T) {
	for _, target := range evasions {
		for _, pattern := range []string{"/assets/", "GET /assets/", "/", "/admin/", "DELETE /admin/{id}", "/healthz"} {
			if got := ruleOf(t, pattern).match(ask(t, "GET", target)); got != unsure {
				t.Errorf("%q: %s: %v, want unsure", pattern, target, got)
			}
		}
	}
}

// What differs from a pattern a little may be the same to a router.
func TestRoutesUnsureOfTheEnd(t *testing.T) {
	for _, c := range []struct{ pattern, method, target string }{
		{"/assets/", "GET", "/assets"},
		{"/assets/", "GET", "/Assets/app.css"},
		{"/assets/", "GET", "/ASSETS/"},
		{"/admin/settings", "PUT", "/admin/settings/"},
		{"/admin/settings", "PUT", "/admin/Settings"},
		{"/admin/settings", "PUT", "/ADMIN/settings"},
		{"/admin/settings", "PUT", "/admin/settings.json"},
		{"/admin/settings", "PUT", "/admin/settings.html"},
		{"/admin/settings", "PUT", "/admin/SETTINGS.JSON"},
		{"/admin/settings", "PUT", "/admin/%C5%BFettings"},
		{"/admin/settings", "PUT", "/%EF%BD%81dmin/settings"},
		{"/admin/settings", "PUT", "/%C3%A1dmin/settings"},
		{"/admin/settings", "PUT", "/adm%C4%B1n/settings"},
		{"/admin/settings", "PUT", "/admin:$i30:$INDEX_ALLOCATION/settings"},
		{"/admin/{$}", "GET", "/admin"},
		{"/admin/client/{id}", "PUT", "/admin/client/7/"},
		{"DELETE /admin/", "delete", "/admin/users/7"},
		{"DELETE /admin/", "Delete", "/admin/users/7"},
	} {
		if got := ruleOf(t, c.pattern).match(ask(t, c.method, c.target)); got != unsure {
			t.Errorf("%q: %s %s: %v, want unsure", c.pattern, c.method, c.target, got)
		}
	}
}

func TestRoutesUnsureOfTheMethod(t *testing.T) {
	body := func(r *http.Request, contentType string) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x=y")), 3
		r.Header.Set("Content-Type", contentType)
	}
	for name, c := range map[string]struct {
		method, target string
		change         func(*http.Request)
	}{
		"X-HTTP-Method-Override":    {"POST", "/admin/users/7", func(r *http.Request) { r.Header.Set("X-HTTP-Method-Override", "DELETE") }},
		"X-HTTP-Method":             {"POST", "/admin/users/7", func(r *http.Request) { r.Header.Set("X-HTTP-Method", "DELETE") }},
		"X-Method-Override":         {"GET", "/admin/users/7", func(r *http.Request) { r.Header.Set("X-Method-Override", "delete") }},
		"_method":                   {"POST", "/admin/users/7?_method=DELETE", nil},
		"_method in small letters":  {"POST", "/admin/users/7?_method=delete", nil},
		"_method of GET":            {"GET", "/admin/users/7?_method=DELETE", nil},
		"_METHOD":                   {"POST", "/admin/users/7?_METHOD=DELETE", nil},
		"_method, escaped":          {"POST", "/admin/users/7?%5fmethod=%44ELETE", nil},
		"_method, a list":           {"POST", "/admin/users/7?_method[]=DELETE", nil},
		"_method behind others":     {"POST", "/admin/users/7?a=b&c;_method=DELETE", nil},
		"X-Original-Method":         {"GET", "/admin/users/7", func(r *http.Request) { r.Header.Set("X-Original-Method", "DELETE") }},
		"a header with underscores": {"GET", "/admin/users/7", func(r *http.Request) { r.Header["X_http_method_override"] = []string{"DELETE"} }},
		"mixed":                     {"GET", "/admin/users/7", func(r *http.Request) { r.Header["X-Http_method-Override"] = []string{"DELETE"} }},
		"_method behind a blank":    {"GET", "/admin/users/7?+_method=brew", nil},
		"_method in brackets":       {"GET", "/admin/users/7?data[_method]=brew", nil},
		"_httpmethod":               {"GET", "/admin/users/7?_httpMethod=brew", nil},
		"a dot for an underscore":   {"GET", "/admin/users/7?.method=brew", nil},
		"by another name":           {"POST", "/admin/users/7?x-http-method-override=DELETE", nil},
		"a long query":              {"POST", "/admin/users/7?a=" + strings.Repeat("x", 9000), nil},
		"in a form":                 {"POST", "/admin/users/7", func(r *http.Request) { body(r, "application/x-www-form-urlencoded") }},
		"in a form of parts":        {"POST", "/admin/users/7", func(r *http.Request) { body(r, "Multipart/Form-Data; boundary=x") }},
		"in JSON":                   {"POST", "/admin/users/7", func(r *http.Request) { body(r, "application/json") }},
		"in whatever this is":       {"POST", "/admin/users/7", func(r *http.Request) { body(r, "") }},
		"of unknown length": {"POST", "/admin/users/7", func(r *http.Request) {
			body(r, "application/x-www-form-urlencoded")
			r.ContentLength = -1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := ask(t, c.method, c.target)
			if c.change != nil {
				c.change(r)
			}
			for _, pattern := range []string{"DELETE /admin/", c.method + " /admin/"} {
				if got := ruleOf(t, pattern).match(r); got != unsure {
					t.Errorf("%q: %v, want unsure", pattern, got)
				}
			}
			if got := ruleOf(t, "/admin/").match(r); got != yes {
				t.Errorf("a pattern without a method: %v, want yes", got)
			}
			if got := ruleOf(t, "DELETE /other/").match(r); got != no {
				t.Errorf("a pattern of another path: %v, want no", got)
			}
		})
	}
	r := ask(t, "POST", "/beacon")
	body(r, "text/plain")
	if got := ruleOf(t, "POST /beacon").match(r); got != yes {
		t.Errorf("a body that holds no parameters: %v, want yes", got)
	}
}

func TestRoutesUnsureOfAnotherPathInAHeader(t *testing.T) {
	for _, header := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Rewrite-URI", "X-Override-URL", "X-Forwarded-URI"} {
		r := ask(t, "GET", "/assets/x?a=b")
		r.Header.Set(header, "/admin/users/7/delete")
		for _, pattern := range []string{"/assets/", "/admin/", "/"} {
			if got := ruleOf(t, pattern).match(r); got != unsure {
				t.Errorf("%s, %q: %v, want unsure", header, pattern, got)
			}
		}
		r.Header.Set(header, "/assets/x?a=b")
		if got := ruleOf(t, "/assets/").match(r); got != yes {
			t.Errorf("%s with the same path: %v, want yes", header, got)
		}
	}
	r := ask(t, "GET", "/assets/x")
	r.Header["X_original_url"] = []string{"/admin/users/7/delete"}
	if got := ruleOf(t, "/assets/").match(r); got != unsure {
		t.Errorf("X_original_url: %v, want unsure", got)
	}
	for name, u := range map[string]*url.URL{
		"opaque": {Scheme: "http", Opaque: "//x/assets/y"}, "CONNECT": {Host: "x:443"}, "OPTIONS *": {Path: "*"},
	} {
		if got := ruleOf(t, "/").match(&http.Request{Method: "GET", URL: u}); got != unsure {
			t.Errorf("%s: %v, want unsure", name, got)
		}
	}
}

func TestRoutesHaveNoConflicts(t *testing.T) {
	rule := ruleOf(t, "DELETE /admin/", "/admin/settings/", "/admin/{section}/", "DELETE /admin/", "/{x}/settings/")
	for target, want := range map[string]verdict{"/admin/settings/x": yes, "/other": no} {
		if got := rule.match(ask(t, "PUT", target)); got != want {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
}

func TestRoutesRefusesPatterns(t *testing.T) {
	for pattern, word := range map[string]string{
		"":                     "empty",
		"static.example/":      "host",
		"GET static.example/x": "host",
		"static.example":       "static.example",
		"assets/":              "host",
		"/{":                   "bad",
		"/{a}{b}":              "/{a}{b}",
		"/{x...}/y":            "/{x...}/y",
		"/{$}/x":               "/{$}/x",
		"G(T /x":               "method",
		"/a/{x}/b/{x}":         "duplicate",
		"/%zz":                 "%zz",
	} {
		err := Routes(pattern).err
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v, want an error that says %q", pattern, err, word)
		}
	}
}

// A host is whatever the client says.
func TestAHostEvadesNothing(t *testing.T) {
	r := ask(t, "DELETE", "/admin/users/7")
	for _, host := range []string{"evil", "static.example", "panel.example"} {
		r.Host = host
		if filter, strict := ruleOf(t, "/assets/").match(r), ruleOf(t, "/admin/").match(r); filter != no || strict != yes {
			t.Errorf("Host: %s: filter %v, strict %v", host, filter, strict)
		}
	}
}

// Letters and digits are plain because none becomes, when it is normalized, what
// divides or ends a path.
func TestNoLetterBecomesASeparator(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
			continue
		}
		for _, form := range []norm.Form{norm.NFKC, norm.NFKD} {
			if s := form.String(string(r)); strings.ContainsAny(s, "./\\%;?#\x00") {
				t.Errorf("%U becomes %q", r, s)
			}
		}
	}
}

// FuzzRoutes compares the rule with a ServeMux, which knows nothing of other
// servers: yes and no must never be said of what they would read otherwise.
func FuzzRoutes(f *testing.F) {
	for _, target := range evasions {
		f.Add("GET", target)
	}
	f.Add("DELETE", "/assets/")
	f.Add("GET", "/assets/a?_method=DELETE")
	f.Add("POST", "/admin/users/7")
	mux := http.NewServeMux()
	for _, p := range []string{"/assets/", "GET /healthz", "/admin/{id}/edit"} {
		mux.Handle(p, http.NotFoundHandler())
	}
	rule := ruleOf(f, "/assets/", "GET /healthz", "/admin/{id}/edit")
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: "x", Header: http.Header{}}
		got := rule.match(r)
		if got == unsure {
			return
		}
		_, pattern := mux.Handler(r)
		matched := strings.HasPrefix(u.Path, "/assets/") || pattern != "" && method != ""
		if (got == yes) != matched && (got != yes || method != "") {
			t.Errorf("%s %s: %v, the mux says %q", method, target, got, pattern)
		}
		if got != yes {
			return
		}
		// Whoever decodes once more, takes backslashes for slashes, drops
		// parameters or control characters must find himself in the same place.
		reading := u.Path
		for range 3 {
			if again, err := url.PathUnescape(reading); err == nil {
				reading = again
			}
		}
		reading = norm.NFKC.String(strings.ReplaceAll(reading, `\`, "/"))
		if i := strings.IndexAny(reading, ";\x00?#"); i >= 0 {
			reading = reading[:i]
		}
		clean := path.Clean(reading)
		if first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); !strings.HasPrefix(clean, "/"+first) {
			t.Errorf("%s is said to match, and may be read as %s", target, clean)
		}
	})
}

// Rules see what the server makes of a request, not what a test does.
func TestFilterOverAConnection(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ruleOf(t, "/assets/").match(r) == yes {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer srv.Close()
	for target, want := range map[string]int{"/assets/x": 418, "/assets/..;/admin": 200, "/assets/%2e%2e/admin": 200, "/assets/..%5cadmin": 200} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = target
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", target, resp.StatusCode, want)
		}
	}
}
