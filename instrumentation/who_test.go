package instrumentation_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

var anna = adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"}

func TestWhoIsFoundOut(t *testing.T) {
	type contextKey struct{}
	for name, c := range map[string]struct {
		opts    []instrumentation.Option
		handler http.HandlerFunc
		want    adminsessions.User
	}{
		"by a function of the request": {
			opts:    []instrumentation.Option{instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return anna })},
			handler: func(http.ResponseWriter, *http.Request) {}, want: anna,
		},
		"by a setter": {handler: func(_ http.ResponseWriter, r *http.Request) { instrumentation.SetAdmin(r.Context(), anna) }, want: anna},
		"by a setter in a context made from the request's": {handler: func(_ http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), contextKey{}, 1))
			defer cancel()
			instrumentation.SetAdmin(r.WithContext(ctx).Context(), anna)
		}, want: anna},
		"by a setter over a function": {
			opts:    []instrumentation.Option{instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return adminsessions.User{ID: "proxy"} })},
			handler: func(_ http.ResponseWriter, r *http.Request) { instrumentation.SetAdmin(r.Context(), anna) }, want: anna,
		},
		"where the context was replaced, through the writer": {handler: func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(context.Background())
			if instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "nobody"}) {
				panic("a context of another origin belongs to the request")
			}
			instrumentation.FromResponseWriter(wrapped{wrapped{w}}).SetAdmin(anna)
		}, want: anna},
		"where the context was replaced, attached to the new one": {handler: func(_ http.ResponseWriter, r *http.Request) {
			ctx := instrumentation.FromContext(r.Context()).Attach(context.Background())
			instrumentation.SetAdmin(r.WithContext(ctx).Context(), anna)
		}, want: anna},
		"nobody": {handler: func(http.ResponseWriter, *http.Request) {}},
		"signed out within the request": {
			opts: []instrumentation.Option{instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return anna })},
			handler: func(_ http.ResponseWriter, r *http.Request) {
				instrumentation.SetAdmin(r.Context(), adminsessions.User{})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s sink
			srv := httptest.NewServer(newMiddleware(t, &s, c.opts...)(c.handler))
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			srv.Close()
			if e := s.Only(t); e.User != c.want {
				t.Errorf("recorded %+v, want %+v", e.User, c.want)
			}
		})
	}
}

// wrapped is a writer that some middleware further in has made.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestWithoutAMiddlewareSettersDoNothing(t *testing.T) {
	ctx := t.Context()
	if instrumentation.SetAdmin(ctx, anna) || instrumentation.SetTarget(ctx, anna) || instrumentation.Annotate(ctx, "x") ||
		instrumentation.SignIn(ctx, "x", adminsessions.SignInFailure) || instrumentation.SetRoute(ctx, "/") {
		t.Error("something was recorded nowhere")
	}
	if id := instrumentation.RequestID(ctx); id != "" {
		t.Errorf("request id %q", id)
	}
	if instrumentation.FromResponseWriter(httptest.NewRecorder()).SetAdmin(anna) || (instrumentation.Recording{}).SetAdmin(anna) {
		t.Error("something was recorded nowhere")
	}
	if got := (instrumentation.Recording{}).Attach(ctx); got != ctx {
		t.Error("a context was changed for nothing")
	}
}

func TestAFailedSignInIsRecordedWithTheNameTried(t *testing.T) {
	r := httptest.NewRequest("POST", "/login", strings.NewReader("name=mallory@example.com&password=hunter2"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	e, _ := record(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		instrumentation.SignIn(r.Context(), r.FormValue("name"), adminsessions.SignInFailure)
		w.WriteHeader(http.StatusUnauthorized)
	}), r)
	if want := `type=WEB method=POST status=401 email=- ip=192.0.2.1 id=- action=login outcome=failure url="http://example.com/login" signin="failure" tried="mallory@example.com"`; people(e) != want {
		t.Errorf("recorded %s", people(e))
	}
	if strings.Contains(people(e), "hunter2") || len(e.Attributes) != 0 {
		t.Errorf("recorded %+v", e)
	}
}

func TestAnnotate(t *testing.T) {
	e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.Annotate(r.Context(), "client 7731 deleted", attribute.Int("client.id", 7731), attribute.Bool("forced", true))
		instrumentation.Annotate(r.Context(), "mail\nsent", attribute.String("to", "a\u202eb"), attribute.StringSlice("list", []string{"a", "b"}))
		instrumentation.Annotate(r.Context(), "", attribute.String("to", "ben"), attribute.String("new_password", "hunter2"))
		instrumentation.Annotate(r.Context(), "", attribute.String("long", strings.Repeat("x", adminsessions.MaxAttributeBytes+1)))
	}), httptest.NewRequest("GET", "/", nil))
	if e.Note != "client 7731 deleted\nmail□sent" {
		t.Errorf("note %q", e.Note)
	}
	got := attributes(e)
	for key, want := range map[string]string{
		"client.id": "7731", "forced": "true", "to": "ben", "list": `["a","b"]`, "new_password": "REDACTED",
		"long": strings.Repeat("x", adminsessions.MaxAttributeBytes),
	} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
	if len(e.Cut) != 1 || e.Cut[0] != "attr.long" {
		t.Errorf("truncated %v", e.Cut)
	}
}

func TestAttributesAreBoundedInNumber(t *testing.T) {
	e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for i := range 2 * adminsessions.MaxAttributes {
			instrumentation.Annotate(r.Context(), "", attribute.Int("n"+strings.Repeat("n", i%60)+string(rune('a'+i/60)), i))
		}
	}), httptest.NewRequest("GET", "/", nil))
	if len(e.Attributes) != adminsessions.MaxAttributes {
		t.Errorf("%d attributes", len(e.Attributes))
	}
}

func TestEverythingFromOutsideIsBounded(t *testing.T) {
	long := strings.Repeat("x", 10000)
	r := httptest.NewRequest("GET", "/"+long, nil)
	r.Method = long
	r.Header.Set("User-Agent", long)
	r.Header.Set("X-Request-Id", long)
	r.Header.Set("Referer", long)
	e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		u := adminsessions.User{ID: long, FullName: long, Email: long}
		instrumentation.SetAdmin(r.Context(), u)
		instrumentation.SetTarget(r.Context(), u)
		instrumentation.SignIn(r.Context(), long, adminsessions.SignInFailure)
		instrumentation.SetRoute(r.Context(), "/"+long)
		instrumentation.FromContext(r.Context()).SetErrorType(long)
		instrumentation.Annotate(r.Context(), long, attribute.String(strings.Repeat("k", 64), long))
	}), r, instrumentation.WithHeaders("Referer"))
	record := e.Record()
	size := len(record.Body().AsString())
	for kv := range record.WalkAttributes {
		if n := len(kv.Value.String()); n > 2048 {
			t.Errorf("%s has %d bytes", kv.Key, n)
		} else {
			size += n
		}
	}
	if size > 16<<10 {
		t.Errorf("a record of %d bytes", size)
	}
	if len(e.Cut) != 14 {
		t.Errorf("%d fields marked as cut: %v", len(e.Cut), e.Cut)
	}
}

func TestNothingFromOutsideForgesALine(t *testing.T) {
	evil := "x\r\nAPI GET https://demo.example/ 200 \"Root\" <root@example.com> 1.1.1.1\u2028\u202e\x00\xff"
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.URL.Path, r.URL.RawQuery, r.Method = evil, evil, evil, evil
	r.Header.Set("User-Agent", evil)
	e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: evil, FullName: evil, Email: evil})
		instrumentation.SignIn(r.Context(), evil, adminsessions.SignInOutcome(evil))
		instrumentation.Annotate(r.Context(), evil)
	}), r)
	line := people(e)
	for _, c := range []string{"\r", "\n", "\u2028", "\u202e", "\x00", "\xff"} {
		if strings.Contains(line, c) {
			t.Errorf("%q in %q", c, line)
		}
	}
	if n := strings.Count(line, " <root@"); n != 0 && !strings.Contains(line, `\"Root\" <root@`) {
		t.Errorf("a forged admin in %q", line)
	}
	record := e.Record()
	for kv := range record.WalkAttributes {
		if v := kv.Value.String(); strings.ContainsAny(v, "\r\n\u2028\u202e\x00") || strings.ToValidUTF8(v, "") != v {
			t.Errorf("%s = %q", kv.Key, v)
		}
	}
}

func TestRequestID(t *testing.T) {
	fromProxy := instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, mustPrefix("192.0.2.0/24"))
	for name, c := range map[string]struct {
		sent  string
		opts  []instrumentation.Option
		taken bool
	}{
		"nobody sent one":            {"", nil, false},
		"a stranger sent one":        {"abc-123", nil, false},
		"a trusted proxy sent one":   {"abc-123", []instrumentation.Option{fromProxy}, true},
		"a trusted proxy sent trash": {"abc 123<script>", []instrumentation.Option{fromProxy}, false},
		"a trusted proxy sent a lot": {strings.Repeat("a", 129), []instrumentation.Option{fromProxy}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			if c.sent != "" {
				r.Header.Set("X-Request-Id", c.sent)
			}
			seen := ""
			e, w := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = instrumentation.RequestID(r.Context()) }), r, c.opts...)
			if e.RequestID == "" || seen != e.RequestID || w.Header().Get("X-Request-Id") != e.RequestID {
				t.Errorf("recorded %q, within %q, returned %q", e.RequestID, seen, w.Header().Get("X-Request-Id"))
			}
			if (e.RequestID == c.sent) != c.taken {
				t.Errorf("sent %q, recorded %q", c.sent, e.RequestID)
			}
		})
	}
	t.Run("another header", func(t *testing.T) {
		e, w := record(t, ok, httptest.NewRequest("GET", "/", nil), instrumentation.WithRequestIDHeader("x-correlation-id"))
		if w.Header().Get("X-Correlation-Id") != e.RequestID || w.Header().Get("X-Request-Id") != "" {
			t.Errorf("header %v", w.Header())
		}
	})
	t.Run("no header", func(t *testing.T) {
		e, w := record(t, ok, httptest.NewRequest("GET", "/", nil), instrumentation.WithRequestIDHeader(""))
		if w.Header()["X-Request-Id"] != nil || e.RequestID == "" {
			t.Errorf("header %v, id %q", w.Header(), e.RequestID)
		}
	})
}

func TestAProxyingHandlerDoesNotDoubleTheRequestID(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Request-Id", "theirs") }))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	e, w := record(t, httputil.NewSingleHostReverseProxy(target), httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Values("X-Request-Id"); len(got) != 1 || got[0] != e.RequestID {
		t.Errorf("X-Request-Id %q, recorded %q", got, e.RequestID)
	}
}

func TestHeadersAndForms(t *testing.T) {
	opts := []instrumentation.Option{
		instrumentation.WithHeaders("referer", "X-Tenant"),
		instrumentation.WithFormFields("name", "status", "absent"),
	}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil && err != http.ErrNotMultipart {
			panic(err)
		}
		if r.FormValue("password") != "hunter2" {
			panic("the form did not arrive")
		}
	})
	var multi bytes.Buffer
	mw := multipart.NewWriter(&multi)
	for _, f := range [][2]string{{"name", "Anna\r\nK"}, {"password", "hunter2"}, {"status", "active"}} {
		if err := mw.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	file, _ := mw.CreateFormFile("name", "big.bin")
	_, _ = file.Write(make([]byte, 2*(64<<10)))
	_ = mw.Close()
	for name, c := range map[string]struct {
		contentType string
		body        io.Reader
	}{
		"urlencoded": {"application/x-www-form-urlencoded", strings.NewReader("name=Anna%0d%0aK&password=hunter2&status=active")},
		"multipart":  {mw.FormDataContentType(), &multi},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", c.body)
			r.Header.Set("Content-Type", c.contentType)
			r.Header.Set("Referer", "https://u:p@demo.example/x?token=abc")
			r.Header["X-Tenant"] = []string{"a", "b"}
			e, _ := record(t, handler, r, opts...)
			got := attributes(e)
			for key, want := range map[string]string{
				"http.request.header.referer":  "https://demo.example/x?token=REDACTED",
				"http.request.header.x-tenant": "a, b",
				"admin.form.name":              "Anna□□K",
				"admin.form.status":            "active",
			} {
				if got[key] != want {
					t.Errorf("%s = %q, want %q", key, got[key], want)
				}
			}
			if len(got) != 4 {
				t.Errorf("attributes %v", got)
			}
		})
	}
}

func TestAFormThatNobodyReadsIsNotRead(t *testing.T) {
	body := strings.NewReader("name=anna")
	r := httptest.NewRequest("POST", "/", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	e, _ := record(t, ok, r, instrumentation.WithFormFields("name"))
	if body.Len() != len("name=anna") || len(e.Attributes) != 0 {
		t.Errorf("%d bytes left, attributes %v", body.Len(), e.Attributes)
	}
}

func TestSessionIDIsAKeyedHash(t *testing.T) {
	id := func(r *http.Request) string { return r.Header.Get("X-Session") }
	hash := func(session, key string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Session", session)
		e, _ := record(t, ok, r, instrumentation.WithSessionID(id, []byte(key)))
		return e.SessionID
	}
	const key, other = "0123456789abcdef", "fedcba9876543210"
	a := hash("secret", key)
	if len(a) != 32 || strings.Contains(a, "secret") || a != hash("secret", key) {
		t.Errorf("hash %q", a)
	}
	if a == hash("secret", other) || a == hash("Secret", key) {
		t.Error("different sessions or keys have the same hash")
	}
	if got := hash("", key); got != "" {
		t.Errorf("no session has the hash %q", got)
	}
}

// The type follows from the path alone: nothing else that a client sends counts.
func TestDefaultType(t *testing.T) {
	for path, want := range map[string]adminsessions.Type{
		"/api/clients":         adminsessions.API,
		"/API/clients":         adminsessions.API,
		"/Api":                 adminsessions.API,
		"/admin/api/clients":   adminsessions.API,
		"/admin/aPi/clients":   adminsessions.API,
		"/%61pi/clients":       adminsessions.API,
		"//api/clients":        adminsessions.API,
		"/./admin/./api/x":     adminsessions.API,
		"/x/../y/../api/z":     adminsessions.API,
		"/api;v=1/clients":     adminsessions.API,
		"/api/../admin/client": adminsessions.Web,
		"/admin/clients":       adminsessions.Web,
		"/admin/docs/api":      adminsessions.Web,
		"/apiary":              adminsessions.Web,
		"/":                    adminsessions.Web,
		"/x?/api/":             adminsessions.Web,
	} {
		for _, header := range []http.Header{
			nil,
			{"X-Api-Key": {"x"}},
			{"Authorization": {"Bearer x"}},
			{"Accept": {"application/json"}},
			{"Accept": {"text/html"}, "Content-Type": {"text/html"}},
			{"X-Requested-With": {"XMLHttpRequest"}},
		} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header = header
			if e, _ := record(t, ok, r); e.Type != want {
				t.Errorf("%s %v: %s, want %s", path, header, e.Type, want)
			}
		}
	}
}

func TestWithType(t *testing.T) {
	e, _ := record(t, ok, httptest.NewRequest("GET", "/rpc/x", nil), instrumentation.WithType(func(*http.Request) adminsessions.Type { return adminsessions.API }))
	if e.Type != adminsessions.API {
		t.Errorf("type %q", e.Type)
	}
	e, _ = record(t, ok, httptest.NewRequest("GET", "/api/x", nil), instrumentation.WithType(func(*http.Request) adminsessions.Type { return "" }))
	if e.Type != adminsessions.API {
		t.Errorf("a rule that does not know: type %q", e.Type)
	}
}
