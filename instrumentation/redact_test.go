package instrumentation_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

const (
	plant = "Zq8rT3xW9kLm2vNb5cHd"
	jwt   = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"
)

// recorded makes a request of a target as it stands on the request line, and
// returns its event.
func recorded(t testing.TB, target string, h http.Handler, prepare func(*http.Request), opts ...instrumentation.Option) adminsessions.Event {
	t.Helper()
	var s sink
	mw, err := instrumentation.NewMiddleware(append(opts, instrumentation.WithLoggerProvider(&s))...)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.URL, r.RequestURI, r.Host = u, target, "panel.example"
	if prepare != nil {
		prepare(r)
	}
	mw(h).ServeHTTP(httptest.NewRecorder(), r)
	events := s.Events()
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	return events[0]
}

func mustNotHold(t testing.TB, e adminsessions.Event, secret, from string) {
	t.Helper()
	if line := e.Line(); strings.Contains(line, secret) {
		t.Errorf("%s is recorded as %s", from, line)
	}
}

// The corpus of internal/redact has the shapes; this is their way through the
// middleware.
func TestSecretsInRequestsAreNotRecorded(t *testing.T) {
	for _, target := range []string{
		"/verify/" + jwt, "/a?" + jwt, "/a?x=Bearer%20" + jwt, "/a;jsessionid=" + plant, "/a?oauth_verifier=" + plant, "/a?%70assword=" + plant,
		"/a?variables=%7B%22p%5Cu0061ssword%22:%22" + plant + "%22%7D", "/a?next=100%zz%3Ftoken%3D" + plant, "/a?password%3D" + plant,
		"/proxy/https://user:" + plant + "@host/x", "/a#access_token=" + plant, "/a?x=1#access_token=" + plant, "/a?state=" + plant,
		"https://panel.example/a?token=" + plant, "/a?sess=" + plant + ";x=1",
	} {
		e := recorded(t, target, ok, nil)
		mustNotHold(t, e, plant, target)
		mustNotHold(t, e, jwt, target)
	}
}

func TestURLsAreRecordedInTheirReadableForm(t *testing.T) {
	for target, want := range map[string]string{
		"/admin/api/clients/%37%38%37%34":                   "http://panel.example/admin/api/clients/7874",
		"/krak%c3%b3w/%E6%97%A5%E6%9C%AC?q=%F0%9F%94%A5":    "http://panel.example/kraków/日本?q=🔥",
		"/a%2fb?x=%0a&y=%E2%80%AE":                          "http://panel.example/a%2Fb?x=%0A&y=%E2%80%AE",
		"/a?x=1&monkey=2&zip_code=00-950":                   "http://panel.example/a?x=1&monkey=2&zip_code=00-950",
		"/clients/550e8400-e29b-41d4-a716-446655440000?q=a": "http://panel.example/clients/550e8400-e29b-41d4-a716-446655440000?q=a",
	} {
		if e := recorded(t, target, ok, nil); e.URL != want || len(e.Cut) > 0 {
			t.Errorf("%s\n got %s, cut %v\nwant %s", target, e.URL, e.Cut, want)
		}
	}
}

// Whatever a client makes long, the path is there, and the names of the query.
func TestNothingLongHidesThePath(t *testing.T) {
	long := strings.Repeat("x", 3000)
	fromProxy := instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, mustPrefix("192.0.2.1/32"))
	for _, c := range []struct {
		name    string
		prepare func(*http.Request)
		target  string
	}{
		{"Host", func(r *http.Request) { r.Host = long }, "/admin/clients/7/delete?id=7"},
		{"Host and port", func(r *http.Request) { r.Host = long + ":8443" }, "/admin/clients/7/delete?id=7"},
		{"labels of a Host", func(r *http.Request) { r.Host = strings.Repeat("a.", 1500) }, "/admin/clients/7/delete?id=7"},
		{"Host of colons", func(r *http.Request) { r.Host = strings.Repeat(":", 1500) }, "/admin/clients/7/delete?id=7"},
		{"absolute form", func(r *http.Request) { r.URL.Scheme, r.URL.Host, r.Host = "http", long, long }, "/admin/clients/7/delete?id=7"},
		{"X-Forwarded-Host", func(r *http.Request) { r.Header.Set("X-Forwarded-Host", long) }, "/admin/clients/7/delete?id=7"},
		{"X-Forwarded-Host of many names", func(r *http.Request) { r.Header.Set("X-Forwarded-Host", strings.Repeat("a.example, ", 300)+long) }, "/admin/clients/7/delete?id=7"},
		{"value", nil, "/admin/clients/7/delete?pad=" + long + "&id=7"},
		{"values", nil, "/admin/clients/7/delete?pad=" + long + "&pad=" + long + "&id=7"},
		{"secret", nil, "/admin/clients/7/delete?token=" + long + "&id=7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := recorded(t, c.target, ok, c.prepare, fromProxy)
			_, path, _ := strings.Cut(e.URL, "://")
			_, path, _ = strings.Cut(path, "/")
			if !strings.HasPrefix(path, "admin/clients/7/delete?") || !strings.HasSuffix(path, "id=7") {
				t.Errorf("recorded as %s", e.URL)
			}
			if len(e.URL) > 2048 || c.name != "secret" && len(e.Cut) == 0 {
				t.Errorf("%d bytes, cut %v", len(e.URL), e.Cut)
			}
		})
	}
}

func TestHiddenPathsEverywhere(t *testing.T) {
	opts := []instrumentation.Option{
		instrumentation.WithRedactedPath("/reset/{token}", "/i/{a}/{b}"),
		instrumentation.WithHeaders("Referer", "X-Original-Url", "Link"),
	}
	for _, path := range []string{"/reset/T", "//reset/T", "/%72eset/T", "/reset%2FT", "/Reset/T", "/reset/T%20", "/reset;x/T", "/x/..;/reset/T", "/i/T", "/i/x/T", "/i/T/T/x"} {
		path = strings.ReplaceAll(path, "T", plant)
		e := recorded(t, path, ok, func(r *http.Request) {
			r.Header.Set("Referer", "https://panel.example"+path)
			r.Header.Set("X-Original-Url", path+"?x=1")
			r.Header.Set("Link", "<"+path+">; rel=next")
		}, opts...)
		mustNotHold(t, e, plant, path)
	}
	if e := recorded(t, "/reset/", ok, nil, opts...); e.URL != "http://panel.example/reset/" {
		t.Errorf("recorded as %s", e.URL)
	}
}

func TestAWildcardWithASecretsNameIsHidden(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /reset/{token}", ok)
	mux.Handle("GET /clients/{id}", ok)
	mux.Handle("GET /mounted/", http.StripPrefix("/mounted", instrumentation.CaptureRoute(mux)))
	for target, want := range map[string]string{
		"/reset/" + plant:         "http://panel.example/reset/REDACTED",
		"/mounted/reset/" + plant: "http://panel.example/mounted/reset/REDACTED",
		"/clients/7":              "http://panel.example/clients/7",
	} {
		e := recorded(t, target, mux, nil)
		if e.URL != want || strings.Contains(e.Line(), plant) {
			t.Errorf("%s is recorded as %s", target, e.Line())
		}
	}
	e := recorded(t, "/r/"+plant, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.SetRoute(r.Context(), "/r/:resetToken")
	}), nil)
	mustNotHold(t, e, plant, "a route that is set")
	if e := recorded(t, "/settings/{key}", mux, nil); strings.Contains(e.URL, "REDACTED") {
		t.Errorf("recorded as %s", e.URL)
	}
}

func TestAWildcardIsHiddenBeforeTheHandlerRuns(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("POST /reset/{token}", ok)
	var s sink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithStrict(instrumentation.Routes("/reset/")))
	if err != nil {
		t.Fatal(err)
	}
	mw(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/reset/"+plant, nil))
	if len(s.Events()) != 2 {
		t.Fatalf("%d events", len(s.Events()))
	}
	for _, e := range s.Events() {
		mustNotHold(t, e, plant, string(e.Stage))
	}
}

func TestAWildcardIsHiddenInWhatIsRecordedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /reset/{token}", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		var s sink
		mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
		if err != nil {
			t.Fatal(err)
		}
		mw(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/reset/"+plant, nil))
		if len(s.Events()) != 2 {
			t.Fatalf("%d events", len(s.Events()))
		}
		for _, e := range s.Events() {
			mustNotHold(t, e, plant, string(e.Stage))
		}
	})
}

func TestSecretsThatTheApplicationPassesOn(t *testing.T) {
	e := recorded(t, "/a", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.Annotate(r.Context(), "connected with mysql://root:"+plant+"@db/panel",
			attribute.String("dsn", "root:"+plant+"@tcp(db:3306)/panel"),
			attribute.String("db.connection_string", plant),
			attribute.String("request.body", `{"email":"a@b.example","password":"`+plant+`"}`),
			attribute.String("authorization", plant),
			attribute.StringSlice("args", []string{"--user", "root", "--password", plant}),
			attribute.Int64("card", 4111111111111111),
			attribute.Int("pin", 1234),
			attribute.Int("page", 1234),
			attribute.String("client.name", "Anna Kowalska"))
		instrumentation.Annotate(r.Context(), "token="+plant+" used")
	}), nil)
	mustNotHold(t, e, plant, "what Annotate was given")
	mustNotHold(t, e, "411111111", "a card")
	want := "connected with mysql://REDACTED@db/panel\ntoken=REDACTED used"
	if e.Note != want {
		t.Errorf("note %q, want %q", e.Note, want)
	}
	shown := map[string]string{}
	for _, kv := range e.Attributes {
		shown[string(kv.Key)] = kv.Value.String()
	}
	for key, want := range map[string]string{"page": "1234", "pin": "REDACTED", "client.name": "Anna Kowalska", "dsn": "REDACTED@tcp(db:3306)/panel"} {
		if shown[key] != want {
			t.Errorf("%s is %q, want %q", key, shown[key], want)
		}
	}
}

func TestFormFieldsWithSecrets(t *testing.T) {
	body := url.Values{"comment": {"my token is " + jwt}, "website": {"https://u:" + plant + "@h/"}, "name": {"Anna"}}.Encode()
	e := recorded(t, "/a", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseForm() }), func(r *http.Request) {
		r.Method = "POST"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = http.NoBody
		r2 := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Body, r.ContentLength = r2.Body, r2.ContentLength
	}, instrumentation.WithFormFields("comment", "website", "name"))
	mustNotHold(t, e, plant, "a form field")
	mustNotHold(t, e, jwt, "a form field")
	if !strings.Contains(e.Line(), "Anna") {
		t.Errorf("recorded as %s", e.Line())
	}
}

func TestHeadersWithTokensAreNotRecorded(t *testing.T) {
	names := []string{"X-Amzn-Oidc-Data", "Dpop", "Sec-Websocket-Protocol", "Link", "Destination", "X-Ms-Client-Principal", "Accept"}
	e := recorded(t, "/a", ok, func(r *http.Request) {
		for _, n := range names[:6] {
			r.Header.Set(n, jwt)
		}
		r.Header.Set("Sec-Websocket-Protocol", "chat, base64url.bearer.authorization.k8s.io."+plant)
		r.Header.Set("Link", "<https://h/x?token="+plant+">; rel=next")
		r.Header.Set("Destination", "https://h/x?token="+plant)
		r.Header.Set("Accept", "text/html")
	}, instrumentation.WithHeaders(names...))
	mustNotHold(t, e, plant, "a header")
	mustNotHold(t, e, jwt, "a header")
	if !strings.Contains(e.Line(), "text/html") {
		t.Errorf("recorded as %s", e.Line())
	}
	for _, name := range []string{"Authorization", "Cookie", "Set-Cookie", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "Cf-Access-Jwt-Assertion", "X-Csrf-Token", "X-Forwarded-Access-Token"} {
		if _, err := instrumentation.NewMiddleware(instrumentation.WithHeaders(name)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is accepted: %v", name, err)
		}
	}
}

func TestNamesOfFailedSignIns(t *testing.T) {
	known := func(name string) bool { return name == "root" }
	key := []byte("0123456789abcdef")
	sign := func(name string, outcome adminsessions.SignInOutcome, opts ...instrumentation.Option) string {
		return recorded(t, "/login", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			instrumentation.SignIn(r.Context(), name, outcome)
		}), nil, opts...).SignIn.Name
	}
	for _, name := range []string{"hunter2", "Tr0ub4dor&3", "correct horse battery staple", "p@ssw0rd", "Summer@2024", "root", "Pa$$w0rd.com", "zażółć", jwt} {
		got := sign(name, adminsessions.SignInFailure)
		if strings.Contains(got, name) || got == "" {
			t.Errorf("%q is recorded as %q", name, got)
		}
	}
	for _, name := range []string{"anna@example.com", "Anna.K+panel@sub.example.co.uk", "żaneta@przykład.pl"} {
		if got := sign(name, adminsessions.SignInFailure); got != name {
			t.Errorf("%q is recorded as %q", name, got)
		}
	}
	if got := sign("root", adminsessions.SignInSuccess); got != "root" {
		t.Errorf("the name of an account is recorded as %q", got)
	}
	if got := sign("root", adminsessions.SignInFailure, instrumentation.WithSignInNames(known, key)); got != "root" {
		t.Errorf("a name that is known is recorded as %q", got)
	}
	first := sign("hunter2", adminsessions.SignInFailure, instrumentation.WithSignInNames(known, key))
	again := sign(" Hunter2 ", adminsessions.SignInFailure, instrumentation.WithSignInNames(known, key))
	other := sign("hunter3", adminsessions.SignInFailure, instrumentation.WithSignInNames(known, key))
	if !strings.EqualFold(first, again) || first == other || !strings.HasPrefix(first, "h") {
		t.Errorf("hunter2 is recorded as %q and %q, hunter3 as %q", first, again, other)
	}
	all := instrumentation.WithSignInNames(func(string) bool { return true }, nil)
	if got := sign("mallory", adminsessions.SignInFailure, all); got != "mallory" {
		t.Errorf("asked for, the name is recorded as %q", got)
	}
	panics := instrumentation.WithSignInNames(func(string) bool { panic("no database") }, nil)
	if got := sign("hunter2", adminsessions.SignInFailure, panics); strings.Contains(got, "hunter2") || got == "" {
		t.Errorf("with a function that panics the name is recorded as %q", got)
	}
}

func TestHostsAsTheyAre(t *testing.T) {
	for host, want := range map[string]string{
		"panel.example":         "http://panel.example/a",
		"panel.example:8080":    "http://panel.example:8080/a",
		"[2001:db8::7]:8080":    "http://[2001:db8::7]:8080/a",
		"[2001:db8::7]":         "http://[2001:db8::7]/a",
		"user:pw@panel.example": "http://panel.example/a",
		"panel.example:80":      "http://panel.example:80/a",
	} {
		if e := recorded(t, "/a", ok, func(r *http.Request) { r.Host = host }); e.URL != want {
			t.Errorf("%s is recorded as %s", host, e.URL)
		}
	}
	if e := recorded(t, "/a", ok, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }); e.URL != "https://panel.example/a" {
		t.Errorf("over TLS recorded as %s", e.URL)
	}
}
