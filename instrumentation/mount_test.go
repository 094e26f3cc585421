package instrumentation_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// opaque is a middleware whose writer can't be unwrapped, as some that compress
// have, and that copies the request.
func opaque(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type key struct{}
		next.ServeHTTP(struct{ http.ResponseWriter }{w}, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	})
}

// Mounted twice, the middleware makes one record.
func TestMountedTwice(t *testing.T) {
	var s sink
	first, second := newMiddleware(t, &s), newMiddleware(t, &s)
	inner := func() *http.ServeMux {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /clients/{id}", func(w http.ResponseWriter, r *http.Request) {
			instrumentation.SetAdmin(r.Context(), anna)
			w.WriteHeader(http.StatusAccepted)
		})
		return mux
	}
	for name, h := range map[string]http.Handler{
		"directly":              first(first(inner())),
		"of two":                first(second(inner())),
		"three times":           first(second(first(inner()))),
		"with something":        first(unwrapping(first(inner()))),
		"with something opaque": first(opaque(first(inner()))),
		"below a prefix":        first(http.StripPrefix("/admin", opaque(first(inner())))),
		"within a mux":          first(func() http.Handler { m := http.NewServeMux(); m.Handle("/", first(inner())); return m }()),
		"within otelhttp":       must(instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithOTelHTTP()))(first(inner())),
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.Events())
			path := "/clients/7"
			if name == "below a prefix" {
				path = "/admin" + path
			}
			srv := quiet(h)
			resp, err := srv.Client().Get(srv.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			srv.Close()
			events := s.Events()[before:]
			if len(events) != 1 {
				t.Fatalf("%d records", len(events))
			}
			e := events[0]
			if e.StatusCode != 202 || e.User != anna || e.Route == "" || e.RequestID != resp.Header.Get("X-Request-Id") {
				t.Errorf("recorded %s", e.Line())
			}
		})
	}
}

// Requests that a handler makes up and sends through the same handlers are
// requests of their own: nobody can act behind one that is recorded.
func TestRequestsWithinARequest(t *testing.T) {
	var s sink
	mw := newMiddleware(t, &s)
	clients := mw(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	batch := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, path := range []string{"/clients/7", "/clients/8"} {
			made, err := http.NewRequestWithContext(r.Context(), "DELETE", path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			clients.ServeHTTP(httptest.NewRecorder(), made)
			copied := r.Clone(r.Context())
			copied.Method, copied.URL.Path = "DELETE", path
			clients.ServeHTTP(httptest.NewRecorder(), copied)
			clients.ServeHTTP(w, copied) // answering in its place
		}
	}))
	batch.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/batch", nil))
	if n := len(s.Events()); n != 7 {
		t.Errorf("%d records, want 7", n)
	}
}

// A context that outlives its request makes no request disappear.
func TestAContextThatOutlivesItsRequest(t *testing.T) {
	var s sink
	mw := newMiddleware(t, &s)
	var kept *http.Request
	h := mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept = r }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	h.ServeHTTP(httptest.NewRecorder(), kept)
	if n := len(s.Events()); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

// A strict middleware further in keeps its promise.
func TestStrictWithinAnother(t *testing.T) {
	var outer sink
	inner := sink{Fail: func(context.Context, *adminsessions.Event, adminsessions.Durability) error {
		return errors.New("disk full")
	}}
	handled := false
	h := newMiddleware(t, &outer)(newMiddleware(t, &inner, instrumentation.WithStrict(instrumentation.Routes("/")))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled = true })))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("DELETE", "/", nil))
	if handled || w.Code != http.StatusServiceUnavailable {
		t.Errorf("handled %v, answer %d", handled, w.Code)
	}
}

// The request id that is sent stands in the record.
func TestARequestIDOfTheHandlers(t *testing.T) {
	set := func(ids ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header()["X-Request-Id"] = ids }
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		sent    string // by the client
		opts    []instrumentation.Option
		want    string // "" for one of ours
		none    bool   // nothing is sent
	}{
		"set":               {handler: set("own-1"), want: "own-1"},
		"set, then written": {handler: func(w http.ResponseWriter, r *http.Request) { set("own-1")(w, r); w.WriteHeader(http.StatusAccepted) }, want: "own-1"},
		"set, body written": {handler: func(w http.ResponseWriter, r *http.Request) { set("own-1")(w, r); _, _ = w.Write([]byte("x")) }, want: "own-1"},
		"changed in place":  {handler: func(w http.ResponseWriter, _ *http.Request) { w.Header()["X-Request-Id"][0] = "own-1" }, want: "own-1"},
		"set too late":      {handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted); set("own-1")(w, r) }},
		"the client's":      {handler: set("theirs"), sent: "theirs"},
		"added":             {handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("X-Request-Id", "backend") }},
		"no id":             {handler: set("x y\u202e")},
		"too long":          {handler: set(string(bytes.Repeat([]byte("x"), 129)))},
		"taken away":        {handler: set(), none: true},
		"on record already": {handler: set("own-1"), opts: []instrumentation.Option{instrumentation.WithStrict(instrumentation.Routes("/"))}},
	} {
		t.Run(name, func(t *testing.T) {
			var s sink
			within := ""
			h := newMiddleware(t, &s, c.opts...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.handler(w, r)
				within = instrumentation.RequestID(r.Context())
			}))
			srv := quiet(h)
			r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Request-Id", c.sent)
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			srv.Close()
			events := s.Events()
			last := events[len(events)-1]
			if got := resp.Header.Values("X-Request-Id"); c.none != (len(got) == 0) || !c.none && !slices.Equal(got, []string{last.RequestID}) {
				t.Errorf("sent %q, recorded %q", got, last.RequestID)
			}
			if c.want != "" && last.RequestID != c.want || c.want == "" && len(last.RequestID) != 20 {
				t.Errorf("recorded %q, want %q", last.RequestID, c.want)
			}
			for _, e := range events {
				if e.RequestID != last.RequestID {
					t.Errorf("two ids: %q and %q", e.RequestID, last.RequestID)
				}
			}
			if c.want != "" && name != "set" && name != "changed in place" && within != c.want {
				t.Errorf("within: %q", within)
			}
		})
	}
}

// Notes are told apart, whatever they hold.
func TestNotes(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 2000))
	for _, c := range []struct {
		notes []string
		want  string
		cut   bool
	}{
		{[]string{"client 7 deleted", "mail sent"}, "client 7 deleted\nmail sent", false},
		{[]string{"a; b", "c"}, "a; b\nc", false},
		{[]string{"a\nclient 8 deleted"}, "a□client 8 deleted", false},
		{[]string{"a\r\nb", "c\u2028d", "e\x85f"}, "a□□b\nc□d\ne□f", false},
		{[]string{"", "a", "", "b"}, "a\nb", false},
		{[]string{long}, long[:1024], true},
		{[]string{"a", long, "c"}, "a\n" + long[:1022], true},
		{[]string{long[:1023], "c"}, long[:1023], true},
		{[]string{long[:1022], "c"}, long[:1022] + "\nc", false},
	} {
		e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for _, n := range c.notes {
				instrumentation.Annotate(r.Context(), n)
			}
		}), httptest.NewRequest("GET", "/", nil))
		if e.Note != c.want || slices.Contains(e.Cut, "note") != c.cut {
			t.Errorf("%.40q: note %.60q, cut %v", c.notes, e.Note, e.Cut)
		}
		if back, err := adminsessions.ParseLine(e.Line()); err != nil || back.Note != e.Note {
			t.Errorf("read back %.60q, %v", back.Note, err)
		}
	}
}
