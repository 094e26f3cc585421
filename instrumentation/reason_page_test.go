package instrumentation_test

import (
	"bytes"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

var inputPattern = regexp.MustCompile(`<(?:input|textarea)[^>]* name="([^"]*)"(?: value="([^"]*)")?`)

// fieldsOf is what a browser would send of a page's form.
func fieldsOf(page string) url.Values {
	fields := url.Values{}
	for _, m := range inputPattern.FindAllStringSubmatch(page, -1) {
		fields.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return fields
}

func TestThePageThatAsksForAReason(t *testing.T) {
	sent := url.Values{
		"confirm": {"yes", `<script>alert(1)</script>"'&`}, "csrf_token": {"tok-1"}, `"><img src=x>`: {"1"},
		"password": {"hunter2x"}, "notes": {"two\r\nlines"}, "audit_reason": {" "}, "empty": {""},
	}
	var s recordtest.Sink
	h := requireReason(t, &s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, _ = fmt.Fprint(w, r.PostForm.Encode())
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, browser(post("/admin/clients/7/delete", urlencoded, sent.Encode())))
	page := w.Body.String()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if w.Code != 428 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(page, s.Only(t).RequestID) {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
	for _, never := range []string{"<script", "<img", "hunter2x"} {
		if strings.Contains(page, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	fields := fieldsOf(page)
	fields.Set("audit_reason", "asked for")
	fields.Set("password", "hunter2x") // typed again
	w = httptest.NewRecorder()
	h.ServeHTTP(w, browser(post("/admin/clients/7/delete", urlencoded, fields.Encode())))
	sent.Set("audit_reason", "asked for")
	if w.Code != 200 || w.Body.String() != sent.Encode() {
		t.Errorf("sent again: %d\n got %s\nwant %s", w.Code, w.Body, sent.Encode())
	}
	if e := s.Events()[1]; e.Reason != "asked for" || e.StatusCode != 200 {
		t.Errorf("recorded %s", e.Line())
	}
}

// What the page offers to send again, and what not.
func TestWhatIsSentAgain(t *testing.T) {
	var parts, plain bytes.Buffer
	w := multipart.NewWriter(&parts)
	_ = w.WriteField("a", "1")
	file, _ := w.CreateFormFile("file", "x.txt")
	_, _ = file.Write([]byte("x"))
	_ = w.Close()
	p := multipart.NewWriter(&plain)
	_ = p.WriteField("a", "1")
	_ = p.Close()
	from := func(r *http.Request, site, origin string) *http.Request {
		r.Header.Del("Sec-Fetch-Site")
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		return r
	}
	link := func(site, referer string) *http.Request {
		r := from(browser(httptest.NewRequest(http.MethodGet, "/admin/export?from=1", nil)), site, "")
		if referer != "" {
			r.Header.Set("Referer", referer)
		}
		return r
	}
	form := func() *http.Request { return browser(post("/admin/clients/7/delete", urlencoded, "a=1")) }
	for _, c := range []struct {
		name  string
		r     *http.Request
		again bool
	}{
		{"a form", form(), true},
		{"no fields", browser(post("/admin/clients/7/delete", urlencoded, "")), true},
		{"multipart", browser(post("/admin/clients/7/delete", p.FormDataContentType(), plain.String())), true},
		{"a file", browser(post("/admin/clients/7/delete", w.FormDataContentType(), parts.String())), false},
		{"too long", browser(post("/admin/clients/7/delete", urlencoded, "a="+strings.Repeat("x", 70_000))), false},
		{"unreadable", browser(post("/admin/clients/7/delete", urlencoded, "a=%zz")), false},
		{"not UTF-8", browser(post("/admin/clients/7/delete", urlencoded, "a=%ff")), false},
		{"NUL", browser(post("/admin/clients/7/delete", urlencoded, "a=%00")), false},
		{"JSON", browser(post("/admin/clients/7/delete", "application/json", "{}")), false},
		{"DELETE", browser(httptest.NewRequest(http.MethodDelete, "/admin/clients/7", nil)), false},
		{"GET", browser(httptest.NewRequest(http.MethodGet, "/admin/export?from=1&to=2", nil)), true},
		{"own link, old browser", link("", "http://example.com/admin/"), true},
		{"typed", link("none", ""), true},
		// Links and forms of others must not become the panel's own.
		{"a link elsewhere", link("cross-site", ""), false},
		{"a link elsewhere, with a referer", link("cross-site", "http://example.com/admin/"), false},
		{"a link elsewhere, old browser", link("", "https://evil.example/"), false},
		{"a link elsewhere that hides it, old browser", link("", ""), false},
		{"another site", from(form(), "cross-site", ""), false},
		{"another site of the same domain", from(form(), "same-site", ""), false},
		{"another site, old browser", from(form(), "", "https://evil.example"), false},
		{"no origin, old browser", from(form(), "", "null"), false},
		{"nobody says", from(form(), "", ""), false},
		{"own, old browser", from(form(), "", "http://example.com"), true},
		{"own by typing", from(form(), "none", ""), true},
		{"contradiction", from(form(), "cross-site", "http://example.com"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s recordtest.Sink
			w := httptest.NewRecorder()
			requireReason(t, &s, ok).ServeHTTP(w, c.r)
			page := w.Body.String()
			if w.Code != 428 || strings.Contains(page, "<form") != c.again || strings.Contains(page, `name="audit_reason"`) != c.again {
				t.Errorf("answer %d: %s", w.Code, page)
			}
		})
	}
}

// Another site can neither have a browser ask for what needs a reason nor make one
// up for it.
func TestReasonsOfOtherSites(t *testing.T) {
	for _, c := range []struct {
		name, header, value string
		handled             bool
	}{
		{"the panel's page", "Sec-Fetch-Site", "same-origin", true},
		{"another site", "Sec-Fetch-Site", "cross-site", false},
		{"a site of the same domain", "Sec-Fetch-Site", "same-site", false},
		{"another site, old browser", "Origin", "https://evil.example", false},
		{"a page in a sandbox, old browser", "Origin", "null", false},
		{"the panel's page, old browser", "Origin", "https://example.com", true},
		{"a link elsewhere, old browser", "Referer", "https://evil.example/example.com/", false},
		{"the panel's link, old browser", "Referer", "https://example.com/admin/", true},
		{"a program", "User-Agent", "curl/8.5.0", true},
	} {
		for _, r := range []*http.Request{
			httptest.NewRequest(http.MethodGet, "/admin/export?audit_reason=approved", nil),
			post("/admin/clients/7/delete", urlencoded, "audit_reason=approved"),
		} {
			r.Header.Set(c.header, c.value)
			var s recordtest.Sink
			w := httptest.NewRecorder()
			requireReason(t, &s, ok).ServeHTTP(w, r)
			if e := s.Only(t); (w.Code != 428) != c.handled || (e.Reason == "approved") != c.handled {
				t.Errorf("%s, %s: answer %d, recorded %s", c.name, r.Method, w.Code, e.Line())
			}
			r.Header.Set("X-Audit-Reason", "asked for") // no site can set it
			w = httptest.NewRecorder()
			requireReason(t, &s, ok).ServeHTTP(w, r)
			if w.Code == 428 {
				t.Errorf("%s, %s, with the header: answer %d", c.name, r.Method, w.Code)
			}
		}
	}
}

// A link that somebody has sent, to a browser that opens it from another program or
// tells nothing of where it stood, brings no reason either; but the page asks.
func TestReasonsOfLinks(t *testing.T) {
	const link = "/admin/export?audit_reason=approved"
	for name, c := range map[string]struct {
		header, value string
		offered       bool
	}{
		"in a letter, or typed":             {"Sec-Fetch-Site", "none", true},
		"on a page that hides where it is":  {"Referer", "", false},
		"to a browser that does not say it": {"Accept-Language", "en", false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r := httptest.NewRequest(method, link, nil)
			r.Header.Set("Accept", "text/html")
			r.Header.Set(c.header, c.value)
			var s recordtest.Sink
			w := httptest.NewRecorder()
			requireReason(t, &s, ok).ServeHTTP(w, r)
			if e := s.Only(t); w.Code != 428 || e.Reason != "" {
				t.Errorf("%s, %s: answer %d, recorded %s", name, method, w.Code, e.Line())
			}
			if offered := strings.Contains(w.Body.String(), "<form"); offered != c.offered && method == http.MethodGet {
				t.Errorf("%s: it can be continued: %t, want %t", name, offered, c.offered)
			}
		}
	}
}

// The page speaks the languages of the viewer.
func TestReasonInTheBrowsersLanguage(t *testing.T) {
	for accept, want := range map[string][]string{
		"":               {`lang="en"`, "A reason is required", "Why is this done?", "password (again)"},
		"pl-PL,en;q=0.5": {`lang="pl"`, "Wymagane jest uzasadnienie", "Dlaczego", "password (ponownie)"},
		"de":             {`lang="en"`},
	} {
		r := browser(post("/admin/clients/7/delete", urlencoded, "password=x1"))
		r.Header.Set("Accept-Language", accept)
		var s recordtest.Sink
		w := httptest.NewRecorder()
		requireReason(t, &s, ok).ServeHTTP(w, r)
		for _, text := range want {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("%q: no %q in %s", accept, text, w.Body)
			}
		}
	}
}

// Whose tenant a request belongs to is known of those that are refused, too.
func TestTheTenantOfWhatIsRefused(t *testing.T) {
	var s recordtest.Sink
	h := requireReason(t, &s, ok, instrumentation.WithActor(func(r *http.Request) adminsessions.Actor {
		return adminsessions.Actor{TenantID: r.Header.Get("X-Tenant")}
	}))
	r := httptest.NewRequest(http.MethodDelete, "/admin/clients/7", nil)
	r.Header.Set("X-Tenant", "acme")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if e := s.Only(t); w.Code != 428 || e.Actor.TenantID != "acme" {
		t.Errorf("answer %d, recorded %s", w.Code, e.Line())
	}
}
