package viewer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

func TestNewHandlerRefusesWhatCannotWork(t *testing.T) {
	anyone := func(*http.Request) Scope { return Scope{All: true} }
	good := Config{Loki: adminsessions.Loki{URL: "http://127.0.0.1:3100"}, Authorize: anyone}
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"not a URL":            {func(c *Config) { c.Loki.URL = "http://admin:s3cret@[" }, "Loki.URL: not a URL"},
		"credentials":          {func(c *Config) { c.Loki.URL = "http://admin:s3cret@h" }, "Loki.URL: holds credentials"},
		"no scheme":            {func(c *Config) { c.Loki.QueryURL = "loki:3100" }, "Loki.QueryURL: scheme"},
		"an API's path":        {func(c *Config) { c.Loki.URL += "/loki/api/v1" }, "without /loki/api"},
		"nobody may see it":    {func(c *Config) { c.Authorize = nil }, "Config.Authorize: missing"},
		"prefix":               {func(c *Config) { c.Prefix = "/admin" }, "Config.Prefix"},
		"timeout":              {func(c *Config) { c.QueryTimeout = -1 }, "Config.QueryTimeout"},
		"sort limit":           {func(c *Config) { c.SortLimit = 1 << 30 }, "Config.SortLimit"},
		"breadcrumb":           {func(c *Config) { c.Breadcrumbs = []Link{{URL: "/"}} }, "Config.Breadcrumbs"},
		"several, all of them": {func(c *Config) { c.Loki.URL, c.Authorize = "x", nil }, "Config.Authorize: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			test.change(&c)
			h, err := NewHandler(c)
			if err == nil || h != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewHandler: %v, want an error with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
	if _, err := NewHandler(good); err != nil {
		t.Errorf("NewHandler: %v", err)
	}
}

func TestNobodyElseMaySeeIt(t *testing.T) {
	loki := newFakeLoki(t, holds())
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.Authorize = func(r *http.Request) Scope { return Scope{All: r.Header.Get("X-Admin") != ""} }
	})
	for _, target := range []string{"/", "/?q=x", "/settings", "/export.csv", "/export.ndjson", "/api/events", "/api/count", "/api/online", "/assets/page.css", "/nothing"} {
		if w := get(t, h, target); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: status %d, want 403", target, w.Code)
		}
	}
	if w := get(t, h.API(), "/admin/api/admin_session_logs"); w.Code != http.StatusForbidden {
		t.Errorf("API: status %d, want 403", w.Code)
	}
	if n := loki.asked(); n != 0 {
		t.Errorf("Loki was asked %d times for somebody who may not see the answer", n)
	}
	if w := get(t, h, "/", withHeader("X-Admin", "1")); w.Code != http.StatusOK {
		t.Errorf("status %d for who may see it", w.Code)
	}
}

func TestHeaders(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds()).URL)
	for _, target := range []string{"/", "/api/events", "/assets/page.js", "/export.csv"} {
		header := get(t, h, target).Header()
		policy := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %q", target, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", target, header)
		}
	}
	body := get(t, h, "/").Body.String()
	if strings.Contains(body, " style=") || strings.Contains(body, "<script>") || strings.Contains(body, "onclick") {
		t.Error("the page has something inline that its own policy forbids")
	}
	_, rest, _ := strings.Cut(body, `href="assets/page.css`)
	version, _, _ := strings.Cut(rest, `"`)
	if got := get(t, h, "/assets/page.css"+version).Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("an asset with its version is cached as %q", got)
	}
}

func TestOtherSitesStartNothing(t *testing.T) {
	loki := newFakeLoki(t, holds())
	h := newTestHandler(t, loki.URL)
	for _, target := range []string{"/export.csv", "/export.ndjson", "/api/events", "/api/count", "/api/online"} {
		for _, site := range []string{"cross-site", "same-site"} {
			if w := get(t, h, target, withHeader("Sec-Fetch-Site", site)); w.Code != http.StatusForbidden {
				t.Errorf("%s from %s: status %d, want 403", target, site, w.Code)
			}
		}
	}
	if loki.asked() != 0 {
		t.Error("Loki was asked")
	}
	if w := get(t, h, "/", withHeader("Sec-Fetch-Site", "cross-site")); w.Code != http.StatusOK {
		t.Errorf("a link from elsewhere: status %d", w.Code)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want 405", w.Code)
	}
}

// TestFaultsOfLoki is what the viewer is told for each way in which Loki can
// fail, and that the log has the cause and the page has not.
func TestFaultsOfLoki(t *testing.T) {
	const secret = "10.99.88.77"
	for name, test := range map[string]struct {
		loki   http.HandlerFunc
		status int
		kind   string
	}{
		"broken":          {fails(500, "panic at "+secret), 503, "unavailable"},
		"not ready":       {fails(503, secret), 503, "unavailable"},
		"over a limit":    {fails(400, "the query time range exceeds the limit "+secret), 422, "too_broad"},
		"too many":        {fails(429, "too many outstanding requests "+secret), 422, "too_broad"},
		"no tenant":       {fails(401, "no org id "+secret), 502, "misconfigured"},
		"wrong path":      {fails(404, secret), 502, "misconfigured"},
		"something else":  {says("<html>" + secret), 502, "misconfigured"},
		"another answer":  {says(`{"data":{"resultType":"matrix"}}`), 502, "misconfigured"},
		"cut":             {says(`{"data":{"result`), 503, "unavailable"},
		"a bad timestamp": {says(`{"data":{"resultType":"streams","result":[{"stream":{},"values":[["x","y"]]}]}}`), 502, "misconfigured"},
		"no answer":       {hangs, 422, "too_broad"},
	} {
		t.Run(name, func(t *testing.T) {
			loki := newFakeLoki(t, test.loki)
			var log lockedBuffer
			h := newTestHandler(t, loki.URL, func(c *Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				if name == "no answer" {
					c.QueryTimeout = time.Millisecond
				}
			})
			host := strings.TrimPrefix(loki.URL, "http://")
			page := get(t, h, "/")
			body := page.Body.String()
			if page.Code != test.status || !strings.Contains(body, `data-kind="`+test.kind+`"`) {
				t.Errorf("status %d, want %d and kind %s\n%s", page.Code, test.status, test.kind, body)
			}
			api := get(t, h, "/api/events")
			var problem struct{ Kind, Detail string }
			if err := json.Unmarshal(api.Body.Bytes(), &problem); err != nil || api.Code != test.status || problem.Kind != test.kind {
				t.Errorf("API: status %d, %+v, %v", api.Code, problem, err)
			}
			if all := body + api.Body.String(); strings.Contains(all, secret) || strings.Contains(all, host) {
				t.Error("the answer tells what Loki said, or where it is")
			}
			if !strings.Contains(log.String(), "kind="+test.kind) {
				t.Errorf("the log lacks the cause: %s", log.String())
			}
		})
	}
}

// lockedBuffer takes the log of goroutines that may outlive the request.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestLokiAway(t *testing.T) {
	loki := newFakeLoki(t, holds(eventAgo(time.Minute, "https://panel.example/admin/clients")))
	var passed atomic.Int64 // since testNow
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.Now = func() time.Time { return testNow.Add(time.Duration(passed.Load())) }
	})
	if w := get(t, h, "/"); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	loki.become(fails(503, "away"))
	passed.Store(int64(10 * time.Second))
	get(t, h, "/")
	passed.Store(int64(20 * time.Second))
	w := get(t, h, "/")
	body := w.Body.String()
	for _, want := range []string{"/admin/clients", "It has not answered since 4 May 2026, 12:00:10.", "as of 4 May 2026, 12:00:00."} {
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(body, want) {
			t.Errorf("status %d, the page lacks %q", w.Code, want)
		}
	}
	if w := get(t, h, "/?q=other"); strings.Contains(w.Body.String(), "/admin/clients") {
		t.Error("another view shows what this one had")
	}
	loki.become(holds())
	if w := get(t, h, "/"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "problem") {
		t.Errorf("status %d after Loki is back", w.Code)
	}
	loki.become(fails(503, "away"))
	passed.Store(int64(time.Minute))
	if body := get(t, h, "/").Body.String(); !strings.Contains(body, "since 4 May 2026, 12:01:00.") {
		t.Error("away again: the old time is shown")
	}
}

// TestAnAnswerThatDoesNotCome has a Loki that takes the question and says nothing,
// as a query frontend does whose queriers are all gone.
func TestAnAnswerThatDoesNotCome(t *testing.T) {
	loki := newFakeLoki(t, holds(eventAgo(time.Minute, "https://panel.example/admin/clients")))
	h := newTestHandler(t, loki.URL)
	if w := get(t, h, "/"); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	loki.become(hangs)
	h.config.QueryTimeout = 50 * time.Millisecond // not before: an answer that comes may take its time
	w := get(t, h, "/")
	for _, want := range []string{"/admin/clients", "This view is out of date", "as of 4 May 2026, 12:00:00."} {
		if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("status %d, the page lacks %q", w.Code, want)
		}
	}
	if w := get(t, h, "/?q=other"); strings.Contains(w.Body.String(), "/admin/clients") {
		t.Error("another view shows what this one had")
	}
}

// TestSearchOutOfTime has a Loki that answers for the newest hour and no more.
func TestSearchOutOfTime(t *testing.T) {
	found := holds(eventAgo(time.Minute, "https://panel.example/found"))
	first := testNow.Add(trail.Ahead - time.Hour).UnixNano()
	loki := newFakeLoki(t, func(w http.ResponseWriter, r *http.Request) {
		if start := r.URL.Query().Get("start"); start != "" && start < fmt.Sprint(first) {
			hangs(w, r)
			return
		}
		found(w, r)
	})
	h := newTestHandler(t, loki.URL, func(c *Config) { c.QueryTimeout = time.Second })
	w := get(t, h, "/?q=found")
	body := w.Body.String()
	for _, want := range []string{"/found", "stopped at 4 May 2026, 11:15:00", "Search on from there", "1–1 of many"} {
		if w.Code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("status %d, the page lacks %q", w.Code, want)
		}
	}
	var answer struct {
		Next    string
		Reached time.Time
	}
	if err := json.Unmarshal(get(t, h, "/api/events?q=found").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	q, err := url.ParseQuery(strings.TrimPrefix(answer.Next, "?"))
	if err != nil || q.Get("past") != fmt.Sprintf("%d.0", first) || answer.Reached.UnixNano() != first {
		t.Errorf("reached %v, next %q", answer.Reached, answer.Next)
	}
}

func TestAccessIsRecorded(t *testing.T) {
	loki := newFakeLoki(t, holds(eventAgo(time.Minute, "https://panel.example/a"), eventAgo(2*time.Minute, "https://panel.example/b")))
	var notes []string
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.SignedIn = func(*http.Request) adminsessions.User { return adminsessions.User{ID: "7"} }
		c.Accessed = func(_ context.Context, note string) { notes = append(notes, note) }
	})
	get(t, h, "/?hide=me&method=POST&q=%22x%22")
	get(t, h, "/export.ndjson?range=7d")
	get(t, h, "/api/events")
	get(t, h, "/api/online")
	want := []string{
		`looked at the trail: last 24h, search "\"x\"", method POST, own requests hidden`,
		"looked at the trail: exported 2 requests as NDJSON, in full: last 7d",
		"looked at the trail: read 2 requests by the API: last 24h",
		"looked at the trail: who is online, by the API",
	}
	if !slices.Equal(notes, want) {
		t.Errorf("recorded:\n%s\nwant:\n%s", strings.Join(notes, "\n"), strings.Join(want, "\n"))
	}
}

// post sends a form to the page's settings.
func post(t *testing.T, h http.Handler, form string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/settings", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPreferences(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds(eventAgo(time.Minute, "https://panel.example/a"))).URL)
	w := post(t, h, "q=a&lang=pl&zone=America%2FNew_York&theme=dark", withHeader("Sec-Fetch-Site", "same-origin"))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "./?q=a" {
		t.Fatalf("status %d to %q", w.Code, w.Header().Get("Location"))
	}
	body := get(t, h, "/?q=a", func(r *http.Request) {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}).Body.String()
	for _, want := range []string{`lang="pl"`, `data-theme="dark"`, "04.05.2026", "07:59:00", "11:59:00 UTC"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"zone=Local", "zone=..%2F..%2Fetc%2Fpasswd", "zone=x", "lang=xx", "theme=%22"} {
		for _, c := range post(t, h, bad).Result().Cookies() {
			if c.Value != "" {
				t.Errorf("%s is stored as %q", bad, c.Value)
			}
		}
	}
	if body := get(t, h, "/", withHeader("Accept-Language", "pl-PL,pl;q=0.9,en;q=0.1")).Body.String(); !strings.Contains(body, "Sesje administratorów") {
		t.Error("the browser's language is not used")
	}
}

// TestOthersSetNoPreferences tries to set them from another site and by a link.
func TestOthersSetNoPreferences(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds()).URL)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"a form of another site":      post(t, h, "lang=pl", withHeader("Sec-Fetch-Site", "cross-site")),
		"a form of a sibling":         post(t, h, "lang=pl", withHeader("Sec-Fetch-Site", "same-site")),
		"an old browser":              post(t, h, "lang=pl", withHeader("Origin", "https://evil.example")),
		"a sandboxed frame":           post(t, h, "lang=pl", withHeader("Origin", "null")),
		"a link":                      get(t, h, "/settings?lang=pl&zone=UTC&theme=dark"),
		"the link that once set them": get(t, h, "/?set=1&lang=pl"),
		"a link to a language":        get(t, h, "/?lang=pl"),
		"a large form":                post(t, h, "lang=pl&x="+strings.Repeat("x", 1<<20)),
		"a form that is none":         post(t, h, "lang=pl&zone=%zz"),
	} {
		if w.Code < 400 || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: status %d, cookies %v; want it refused", name, w.Code, w.Result().Cookies())
		}
	}
}
