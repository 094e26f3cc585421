package instrumentation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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

// A browser sends these.
func browser(r *http.Request) *http.Request {
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func post(target, contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

const urlencoded = "application/x-www-form-urlencoded"

// requireReason asks for a reason below /admin/clients and /admin/export.
func requireReason(t *testing.T, s *recordtest.Sink, next http.Handler, opts ...instrumentation.Option) http.Handler {
	t.Helper()
	mw, err := instrumentation.NewMiddleware(append(opts, instrumentation.WithLoggerProvider(s),
		instrumentation.WithRequiredReason(instrumentation.Routes("DELETE /admin/clients/{id}", "POST /admin/clients/{id}/delete", "GET /admin/export")))...)
	if err != nil {
		t.Fatal(err)
	}
	return mw(next)
}

func TestReasons(t *testing.T) {
	form := url.Values{"a": {"1"}, "audit_reason": {"asked for\nin ticket 4711"}}
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	_ = w.WriteField("audit_reason", "żądanie klienta")
	file, _ := w.CreateFormFile("file", "x.bin")
	_, _ = file.Write(bytes.Repeat([]byte{0xff}, 200_000))
	_ = w.Close()
	header := func(r *http.Request, values ...string) *http.Request {
		r.Header["X-Audit-Reason"] = values
		return r
	}
	del := func() *http.Request { return httptest.NewRequest(http.MethodDelete, "/admin/clients/7", nil) }
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		reason string
	}{
		{"none", del(), 428, ""},
		{"header", header(del(), "ticket 4711"), 200, "ticket 4711"},
		{"header of another script", header(del(), "UTF-8''%C5%BC%C4%85danie%20klienta"), 200, "żądanie klienta"},
		{"header with a percent sign", header(del(), "100% sure"), 200, "100% sure"},
		{"broken RFC 8187", header(del(), "UTF-8''%zz1"), 200, "UTF-8''%zz1"},
		{"blank header", header(del(), "  "), 428, ""},
		{"a header that says nothing", header(del(), "---", "…\u200b", "\xff\xfe"), 428, ""},
		{"the second of two", header(del(), "-", "backup is broken"), 200, "backup is broken"},
		{"a secret in it", header(del(), "customer said password=hunter2x"), 200, "customer said password=REDACTED"},
		{"forges a field", header(del(), `x" status="200 seq=1`), 200, `x" status="200 seq=1`},
		{"not required", httptest.NewRequest(http.MethodGet, "/admin/clients/7", nil), 200, ""},
		{"not required, given", header(httptest.NewRequest(http.MethodGet, "/admin/clients/7", nil), "curious"), 200, "curious"},
		{"form", post("/admin/clients/7/delete", urlencoded, form.Encode()), 200, "asked for□in ticket 4711"},
		{"form with a charset", post("/admin/clients/7/delete", "Application/X-WWW-Form-Urlencoded; charset=utf-8", form.Encode()), 200, "asked for□in ticket 4711"},
		{"form without", post("/admin/clients/7/delete", urlencoded, "a=1"), 428, ""},
		{"form with a blank one", post("/admin/clients/7/delete", urlencoded, "audit_reason=+"), 428, ""},
		{"in the query of a form", post("/admin/clients/7/delete?audit_reason=x1", urlencoded, "a=1"), 428, ""},
		{"multipart", post("/admin/clients/7/delete", w.FormDataContentType(), parts.String()), 200, "żądanie klienta"},
		{"JSON", post("/admin/clients/7/delete", "application/json", `{"audit_reason":"x1"}`), 428, ""},
		{"far behind", post("/admin/clients/7/delete", urlencoded, "a="+strings.Repeat("x", 70_000)+"&audit_reason=late"), 428, ""},
		{"very long", post("/admin/clients/7/delete", urlencoded, "audit_reason="+strings.Repeat("%41", 70_000)), 200, strings.Repeat("A", 1024)},
		{"query of a GET", httptest.NewRequest(http.MethodGet, "/admin/export?audit_reason=quarterly+audit", nil), 200, "quarterly audit"},
		{"GET without", httptest.NewRequest(http.MethodGet, "/admin/export?x=1", nil), 428, ""},
		// The rule is unsure: somebody may read these as one that it means.
		{"another case", httptest.NewRequest(http.MethodDelete, "/admin/Clients/7", nil), 428, ""},
		{"a detour to read", httptest.NewRequest(http.MethodGet, "/x/../admin/clients/7", nil), 428, ""},
		{"a detour by a method that is not meant", httptest.NewRequest(http.MethodPut, "/x/../admin/clients/7", nil), 200, ""},
		{"a detour, the method in disguise", httptest.NewRequest(http.MethodPut, "/x/../admin/clients/7?_method=DELETE", nil), 428, ""},
		{"a detour", httptest.NewRequest(http.MethodDelete, "/x/../admin/clients/7", nil), 428, ""},
		{"a method in disguise", post("/admin/clients/7", urlencoded, "_method=DELETE"), 428, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s recordtest.Sink
			handled := false
			w := httptest.NewRecorder()
			requireReason(t, &s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { handled = true; _, _ = io.WriteString(w, "done") })).ServeHTTP(w, c.r)
			e := s.Only(t)
			if w.Code != c.status || e.StatusCode != c.status || handled != (c.status == 200) || e.Reason != c.reason {
				t.Errorf("answer %d, handled %t: %.300s", w.Code, handled, e.Line())
			}
			if c.status == 428 && (e.ErrorType != "reason_required" || e.Outcome != "" && e.Outcome != "failure" || e.Action == "") {
				t.Errorf("recorded %s", e.Line())
			}
		})
	}
}

// A handler reads the body as if nobody had looked into it.
func TestBodiesBehindAReason(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 64<<10 - 20, 64<<10 - 15, 64 << 10, 64<<10 + 1, 3 << 20} {
		sent := "audit_reason=x1&a=" + strings.Repeat("%20", size/3)
		var s recordtest.Sink
		var got []byte
		h := requireReason(t, &s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var err error
			if got, err = io.ReadAll(r.Body); err != nil || r.ContentLength != int64(len(sent)) {
				t.Errorf("%d bytes: %v, length %d", size, err, r.ContentLength)
			}
			if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("behind its end there are %d bytes, %v", n, err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
		}))
		srv := httptest.NewServer(h)
		resp, err := srv.Client().Post(srv.URL+"/admin/clients/7/delete", urlencoded, strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		srv.Close()
		if string(got) != sent {
			t.Errorf("the handler read %d of %d bytes", len(got), len(sent))
		}
		if s.Only(t).Reason != "x1" {
			t.Errorf("recorded %+v", s.Only(t))
		}
	}
}

func TestFormsBehindAReason(t *testing.T) {
	var s recordtest.Sink
	h := requireReason(t, &s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("name") != "Acme" || r.PostFormValue("audit_reason") != "why not" {
			t.Errorf("the form is %v", r.PostForm)
		}
	}), instrumentation.WithFormFields("name"))
	h.ServeHTTP(httptest.NewRecorder(), post("/admin/clients/7/delete", urlencoded, "name=Acme&audit_reason=why+not"))
	if e := s.Only(t); len(e.Attributes) != 1 || e.Attributes[0].Value.String() != "Acme" || e.Reason != "why not" {
		t.Errorf("recorded %s", e.Line())
	}

	// What can't be read is told to the handler, where it was.
	var failing recordtest.Sink
	r := post("/admin/clients/7/delete", urlencoded, "")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("audit_reason=x1&a="), errorReader{}))
	r.ContentLength = -1
	requireReason(t, &failing, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); string(got) != "audit_reason=x1&a=" || !errors.Is(err, errCut) {
			t.Errorf("read %q, %v", got, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if e := failing.Only(t); e.Reason != "x1" || e.StatusCode != 200 {
		t.Errorf("recorded %s", e.Line())
	}
}

var errCut = errors.New("cut")

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errCut }

func TestProgramsAreAskedForAReason(t *testing.T) {
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodDelete, "/admin/clients/7", nil),
		browser(httptest.NewRequest(http.MethodDelete, "/admin/api/clients/7", nil)),
	} {
		var s recordtest.Sink
		mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithRequiredReason(instrumentation.Routes("DELETE /")))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		mw(ok).ServeHTTP(w, r)
		var problem struct {
			Title, Detail string
			Status        int
			RequestID     string `json:"request_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code != 428 || w.Header().Get("Content-Type") != "application/problem+json" ||
			problem.Status != 428 || problem.RequestID != s.Only(t).RequestID || !strings.Contains(problem.Detail, "X-Audit-Reason") {
			t.Errorf("%d %s %v", w.Code, w.Body, err)
		}
	}
}

// The record of a request that was refused hides what a route's wildcards hide.
func TestRefusedRequestsTellNoSecrets(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("POST /reset/{token}", ok)
	var s recordtest.Sink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithRequiredReason(instrumentation.Routes("/")))
	if err != nil {
		t.Fatal(err)
	}
	mw(mux).ServeHTTP(httptest.NewRecorder(), post("/reset/abcd", urlencoded, ""))
	if e := s.Only(t); strings.Contains(e.Line(), "abcd") || e.StatusCode != 428 {
		t.Errorf("recorded %s", e.Line())
	}
}

func TestWithRequiredReasonIsChecked(t *testing.T) {
	for _, rule := range []instrumentation.Rule{{}, instrumentation.Routes(), instrumentation.Routes("x y z"), instrumentation.When(nil)} {
		if _, err := instrumentation.NewMiddleware(instrumentation.WithRequiredReason(rule)); err == nil || !strings.Contains(err.Error(), "WithRequiredReason") {
			t.Errorf("taken: %v", err)
		}
	}
	var s recordtest.Sink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s),
		instrumentation.WithRequiredReason(instrumentation.When(func(*http.Request) bool { panic("x") })))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		mw(ok).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	if e := s.Only(t); e.StatusCode != 500 || e.DefaultOutcome() != adminsessions.OutcomeError {
		t.Errorf("recorded %s", e.Line())
	}
}

// Another middleware further out that asks for none makes no difference.
func TestReasonsWithinAnotherMiddleware(t *testing.T) {
	var inner, outer recordtest.Sink
	handled := false
	h := requireReason(t, &inner, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled = true }))
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&outer))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	mw(h).ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/admin/clients/7", nil))
	if handled || w.Code != 428 || inner.Only(t).StatusCode != 428 || outer.Only(t).StatusCode != 428 {
		t.Errorf("handled %t, answer %d", handled, w.Code)
	}
	// Of one middleware that is mounted twice, the outer one has asked.
	var s recordtest.Sink
	mw, err = instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithRequiredReason(instrumentation.Routes("/")))
	if err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	mw(mw(ok)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?audit_reason=x1", nil))
	if w.Code != 200 || s.Only(t).Reason != "x1" {
		t.Errorf("answer %d", w.Code)
	}
}

// A rule of a policy asks for a reason, too.
func TestReasonsByPolicy(t *testing.T) {
	policy, err := instrumentation.NewPolicy(
		instrumentation.PolicyRule{Name: "deletions", Match: instrumentation.Routes("DELETE /"), RequireReason: true},
		instrumentation.PolicyRule{Name: "views", Match: instrumentation.Routes("GET /"), CountOnly: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	var s recordtest.Sink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithPolicy(policy))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, reason string
		status         int
	}{{http.MethodDelete, "", 428}, {http.MethodDelete, "ticket 4711", 200}, {http.MethodPut, "", 200}, {http.MethodPut, "asked for", 200}} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(c.method, "/clients/7", nil)
		if c.reason != "" {
			r.Header.Set("X-Audit-Reason", c.reason)
		}
		mw(ok).ServeHTTP(w, r)
		if e := s.Events()[len(s.Events())-1]; w.Code != c.status || e.StatusCode != c.status || e.Reason != c.reason {
			t.Errorf("%s: %d, %s", c.method, w.Code, e.Line())
		}
	}
	if e := s.Policies()[0]; !strings.Contains(e.Note, "rules: deletions: DELETE / reason required; views: GET / only counted") {
		t.Errorf("the policy says %q", e.Note)
	}
}

// Whatever is sent, the handler reads it as it was, and the page that asks for a
// reason holds nothing of it that a browser would run.
func FuzzReason(f *testing.F) {
	f.Add(urlencoded, "a=1&audit_reason=x", "")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"audit_reason\"\r\n\r\nx\r\n--b--\r\n", "")
	f.Add(urlencoded, "%3Cscript%3E=%22%3E%3Cimg", "UTF-8''%zz")
	f.Add("multipart/form-data", "a", "---")
	f.Fuzz(func(t *testing.T, contentType, body, header string) {
		var s recordtest.Sink
		handled := false
		h := requireReason(t, &s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			handled = true
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
				t.Errorf("read %q, %v", got, err)
			}
		}))
		r := browser(post("/admin/clients/7/delete", contentType, body))
		if header != "" {
			r.Header["X-Audit-Reason"] = []string{header}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if handled != (w.Code == 200) || handled != (s.Only(t).Reason != "") {
			t.Errorf("handled %t, answer %d, reason %q", handled, w.Code, s.Only(t).Reason)
		}
		for _, tag := range regexp.MustCompile(`<[a-zA-Z!/]+`).FindAllString(w.Body.String(), -1) {
			switch strings.Trim(tag, "</") {
			case "!doctype", "html", "head", "meta", "title", "style", "body", "main", "h", "p", "code", "form", "input", "label", "textarea", "button", "small":
			default:
				t.Errorf("the page holds %s", tag)
			}
		}
	})
}
