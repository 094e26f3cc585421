package instrumentation_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

func TestARequestThatRunsLongIsRecordedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		h := newMiddleware(t, &s)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			instrumentation.SetAdmin(r.Context(), adminsessions.User{Email: "anna@example.com"})
			time.Sleep(25 * time.Second) // of the bubble's clock
			instrumentation.Annotate(r.Context(), "exported 3 clients")
		}))
		began := time.Now()
		done := make(chan struct{}) // closed by the request's goroutine
		go func() {
			defer close(done)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/export", nil))
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		first := s.Only(t)
		if first.Stage != adminsessions.Started || first.User.Email != "anna@example.com" || !first.Time.Equal(began) || first.Note != "" {
			t.Errorf("started: %+v", first)
		}
		<-done
		events := s.Events()
		if len(events) != 2 {
			t.Fatalf("recorded %v", recordtest.Lines(events))
		}
		last := events[1]
		if last.Stage != adminsessions.Complete || last.RequestID != first.RequestID || last.Duration != 25*time.Second ||
			last.Note != "exported 3 clients" || !last.Time.Equal(began) {
			t.Errorf("complete: %+v", last)
		}
	})
}

func TestEachRequestThatRunsLongIsRecordedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := func(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
			if after := time.Since(e.Time); e.Stage == adminsessions.Started && after != 3*time.Second {
				t.Errorf("recorded as started after %v", after)
			}
			return nil
		}
		s := sink{Fail: late}
		h := newMiddleware(t, &s, instrumentation.WithStartedAfter(3*time.Second))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			d, err := time.ParseDuration(r.URL.Query().Get("for"))
			if err != nil {
				panic(err)
			}
			time.Sleep(d)
		}))
		var requests sync.WaitGroup
		for i := range 100 { // one a second; every other one ends early
			requests.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				d := "2s"
				if i%2 == 0 {
					d = "5s"
				}
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/?for="+d, nil))
			})
		}
		requests.Wait()
		started := 0
		for _, e := range s.Events() {
			if e.Stage == adminsessions.Started {
				started++
			}
		}
		if started != 50 || len(s.Events()) != 150 {
			t.Errorf("%d started of %d records, want 50 of 150", started, len(s.Events()))
		}
	})
}

func TestStrict(t *testing.T) {
	for name, c := range map[string]struct {
		fail    func(context.Context, *adminsessions.Event, adminsessions.Durability) error
		path    string
		handled bool
		took    time.Duration
	}{
		"safe in time": {func(_ context.Context, _ *adminsessions.Event, d adminsessions.Durability) error {
			if d == adminsessions.Synced {
				time.Sleep(time.Second)
			}
			return nil
		}, "/admin/users", true, time.Second},
		"not safe in time": {func(ctx context.Context, _ *adminsessions.Event, d adminsessions.Durability) error {
			if d == adminsessions.Spooled {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}, "/admin/users", false, 2 * time.Second},
		"disk full": {func(_ context.Context, _ *adminsessions.Event, _ adminsessions.Durability) error {
			return errors.New("no space left on device")
		}, "/admin/users", false, 0},
		"another route, disk full": {func(_ context.Context, _ *adminsessions.Event, _ adminsessions.Durability) error {
			return errors.New("no space left on device")
		}, "/other", true, 0},
		"a path that is not clean counts as meant": {func(_ context.Context, _ *adminsessions.Event, _ adminsessions.Durability) error {
			return errors.New("no space left on device")
		}, "/other/../admin/users", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sink{Fail: c.fail}
				handled := false
				h := newMiddleware(t, &s, instrumentation.WithStrict(instrumentation.Routes("/admin/")))(
					http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled = true }))
				w, start := httptest.NewRecorder(), time.Now()
				h.ServeHTTP(w, httptest.NewRequest("POST", c.path, nil))
				if handled != c.handled {
					t.Errorf("handled: %v, want %v", handled, c.handled)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				id := w.Header().Get("X-Request-Id")
				if c.handled {
					return
				}
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || id == "" || !strings.Contains(w.Body.String(), id) {
					t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
				}
			})
		})
	}
}

// Whatever may be meant is strict.
func TestStrictWhereItIsUnsure(t *testing.T) {
	full := func(context.Context, *adminsessions.Event, adminsessions.Durability) error {
		return errors.New("disk full")
	}
	for _, c := range []struct {
		method, target string
		header         http.Header
		strict         bool
	}{
		{"DELETE", "/admin/users/7", nil, true},
		{"DELETE", "/Admin/users/7", nil, true},
		{"DELETE", "/admin", nil, true},
		{"DELETE", "//admin/users/7", nil, true},
		{"DELETE", "/x/..;/admin/users/7", nil, true},
		{"DELETE", "/%61dmin/users/7", nil, true},
		{"delete", "/admin/users/7", nil, true},
		{"POST", "/admin/users/7?_method=DELETE", nil, true},
		{"POST", "/admin/users/7", http.Header{"X-Http-Method-Override": {"DELETE"}}, true},
		{"GET", "/public", http.Header{"X-Original-Url": {"/admin/users/7/delete"}}, true},
		{"PUT", "/admin/settings/", nil, true},
		{"PUT", "/ADMIN/settings/smtp", nil, true},
		{"PUT", "/admin/settings", nil, true},
		{"GET", "/admin/users/7", nil, false},
		{"DELETE", "/public/7", nil, false},
		{"POST", "/admin/users/7", nil, false},
	} {
		s := sink{Fail: full}
		handled := false
		h := newMiddleware(t, &s, instrumentation.WithStrict(instrumentation.Routes("DELETE /admin/", "/admin/settings/")))(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled = true }))
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Host = "evil"
		if c.header != nil {
			r.Header = c.header
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if handled == c.strict {
			t.Errorf("%s %s %v: handled %v", c.method, c.target, c.header, handled)
		}
	}
}

func TestStrictRecordsBeforeAndAfter(t *testing.T) {
	var s sink
	var before []adminsessions.Event
	h := newMiddleware(t, &s, instrumentation.WithStrict(instrumentation.When(func(*http.Request) bool { return true })))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { before = s.Events() }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
	if len(before) != 1 || before[0].Stage != adminsessions.Started || s.Levels()[0] != adminsessions.Synced {
		t.Errorf("before the handler: %v %v", recordtest.Lines(before), s.Levels())
	}
	if got := s.Events(); len(got) != 2 || got[1].Stage != adminsessions.Complete || got[1].RequestID != got[0].RequestID || s.Levels()[1] != adminsessions.Spooled {
		t.Errorf("in the end: %v %v", recordtest.Lines(got), s.Levels())
	}
}

func TestARefusedRequestIsRecordedIfItCanBe(t *testing.T) {
	s := sink{Fail: func(_ context.Context, _ *adminsessions.Event, d adminsessions.Durability) error {
		if d == adminsessions.Synced {
			return errors.New("fsync failed")
		}
		return nil
	}}
	h := newMiddleware(t, &s, instrumentation.WithStrict(instrumentation.Routes("/")))(ok)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
	if e := s.Only(t); e.StatusCode != 503 || e.ErrorType != "record_unavailable" || e.Stage != adminsessions.Complete {
		t.Errorf("recorded %+v", e)
	}
}

func TestGoexitIsRecorded(t *testing.T) {
	var s sink
	h := newMiddleware(t, &s)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }))
	var wg sync.WaitGroup
	wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
	wg.Wait()
	if e := s.Only(t); e.StatusCode != 500 || e.ErrorType != "goexit" {
		t.Errorf("recorded %d %q", e.StatusCode, e.ErrorType)
	}
}

func TestAPanicOfTheSinkIsNotTheRequests(t *testing.T) {
	s := sink{Fail: func(context.Context, *adminsessions.Event, adminsessions.Durability) error { panic("bug") }}
	w := httptest.NewRecorder()
	newMiddleware(t, &s)(ok).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Body.String() != "ok" {
		t.Errorf("answer %q", w.Body)
	}
}

func TestAPanicOfWithAdminIsRecordedAndGoesOn(t *testing.T) {
	var s sink
	h := newMiddleware(t, &s, instrumentation.WithAdmin(func(*http.Request) adminsessions.User { panic("bug") }))(ok)
	func() {
		defer func() {
			if v := recover(); v != "bug" {
				t.Errorf("panicked with %v", v)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if e := s.Only(t); e.StatusCode != 500 || e.ErrorType != "panic: string" {
		t.Errorf("recorded %+v", e)
	}
}

// FuzzRequest sends a request of which nothing is as it should be, and looks
// for what is unbounded, unclean or forged in the record.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "demo.example", "/admin", "a=b", "curl/8", "Anna", "client 7731 deleted", "10.0.0.1")
	f.Add("G\r\nT", "h\x00", "/\u202e", "%zz&token=\xff", "\u2028", "\"<>\\", "a\nWEB", "for=\"")
	f.Fuzz(func(t *testing.T, method, host, path, query, agent, name, note, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.Host, r.URL.Path, r.URL.RawQuery = method, host, path, query
		r.Header.Set("User-Agent", agent)
		r.Header.Set("Referer", query)
		r.Header.Set("Forwarded", forwarded)
		r.Header.Set("X-Request-Id", name)
		var s sink
		mw := newMiddleware(t, &s, instrumentation.WithHeaders("Referer"),
			instrumentation.WithTrustedProxies(instrumentation.Forwarded, mustPrefix("192.0.2.0/24")))
		mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: name, FullName: name, Email: name})
			instrumentation.SignIn(r.Context(), name, adminsessions.SignInFailure)
			instrumentation.Annotate(r.Context(), note, attribute.String("own", note), attribute.String(name, note))
			instrumentation.SetRoute(r.Context(), path)
		})).ServeHTTP(httptest.NewRecorder(), r)
		e := s.Only(t)
		line := e.Line()
		clean(t, "the line", strings.Replace(line, "\t", "", 1), 16<<10)
		if back, err := adminsessions.ParseLine(line); err != nil || back.URL != e.URL || back.User != e.User || back.Note != e.Note {
			t.Errorf("%q is read back as %+v, %v", line, back, err)
		}
		for f := range adminsessions.Fields() {
			if f.Name != "note" { // line feeds separate notes
				clean(t, f.Name, f.Get(&e), 2048)
			}
		}
		seen := map[string]bool{}
		for _, kv := range e.Attributes {
			clean(t, string(kv.Key), kv.Value.String(), 2048)
			if seen[string(kv.Key)] {
				t.Errorf("%s is there twice", kv.Key)
			}
			seen[string(kv.Key)] = true
		}
	})
}

func clean(t *testing.T, what, s string, limit int) {
	t.Helper()
	if len(s) > limit {
		t.Errorf("%s has %d bytes", what, len(s))
	}
	if !utf8.ValidString(s) {
		t.Errorf("%s is not UTF-8: %q", what, s)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 {
			t.Errorf("%s has %U: %q", what, r, s)
		}
	}
}

// A setter may be called from any goroutine, also while the request is being
// recorded as started, and after it has ended: what comes too late must not
// get into the record of another request.
func TestSettersFromManyGoroutines(t *testing.T) {
	s := sink{}
	release := make(chan struct{}) // closed when every request has ended
	var stragglers sync.WaitGroup
	h := newMiddleware(t, &s, instrumentation.WithStartedAfter(time.Nanosecond))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("name")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				instrumentation.SetAdmin(r.Context(), adminsessions.User{FullName: name})
				instrumentation.SetTarget(r.Context(), adminsessions.User{FullName: name})
				instrumentation.SignIn(r.Context(), name, adminsessions.SignInSuccess)
				instrumentation.Annotate(r.Context(), "", attribute.String("x", name))
				instrumentation.SetRoute(r.Context(), "/"+name)
				_ = instrumentation.RequestID(r.Context())
			})
		}
		wg.Wait()
		_, _ = io.WriteString(w, name)
		stragglers.Go(func() {
			<-release
			if instrumentation.SetAdmin(r.Context(), adminsessions.User{FullName: "late"}) {
				t.Error("a record of a request that has ended was changed")
			}
		})
	}))
	var requests sync.WaitGroup
	for i := range 64 {
		requests.Go(func() {
			name := strings.Repeat("n", i+1)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/?name="+name, nil))
		})
	}
	requests.Wait()
	close(release)
	stragglers.Wait()
	for _, e := range s.Events() {
		name := strings.TrimPrefix(e.URL, "http://example.com/?name=")
		for _, got := range []string{e.User.FullName, e.Target.FullName, e.SignIn.Name} {
			if got != name && (got != "" || e.Stage != adminsessions.Started) {
				t.Errorf("%s %s: %q", e.Stage, e.URL, got)
			}
		}
	}
}
