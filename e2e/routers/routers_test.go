package routers_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/mux"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

var anna = adminsessions.User{FullName: "Anna Kowalska", Email: "anna@example.com"}

func authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type session struct{}
		r = r.WithContext(context.WithValue(r.Context(), session{}, "s"))
		instrumentation.SetAdmin(r.Context(), anna)
		next.ServeHTTP(w, r)
	})
}

func clients(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
func boom(http.ResponseWriter, *http.Request)        { panic("boom") }

// chiRouter shows the way: recording around the router, and one line within it
// for the routes.
func chiRouter() http.Handler {
	r := chi.NewRouter()
	r.Use(chimiddleware.Compress(5))
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { instrumentation.SetRoute(r.Context(), chi.RouteContext(r.Context()).RoutePattern()) }()
			next.ServeHTTP(w, r)
		})
	})
	r.Route("/admin", func(r chi.Router) {
		r.Use(authenticate)
		r.Get("/clients/{id}", clients)
		r.Get("/panic", boom)
	})
	return r
}

// gorillaRouter does the same; its middlewares run only where a route matches.
func gorillaRouter() http.Handler {
	r := mux.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if template, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
				instrumentation.SetRoute(r.Context(), template)
			}
			next.ServeHTTP(w, r)
		})
	})
	r.Use(authenticate)
	r.HandleFunc("/admin/clients/{id}", clients).Methods("GET")
	r.HandleFunc("/admin/panic", boom)
	return r
}

// serveMux is net/http's, behind authentication that copies the request.
func serveMux() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /admin/clients/{id}", clients)
	m.HandleFunc("GET /admin/panic", boom)
	return authenticate(instrumentation.CaptureRoute(m))
}

func TestRouters(t *testing.T) {
	for name, router := range map[string]func() http.Handler{"chi": chiRouter, "gorilla": gorillaRouter, "ServeMux": serveMux} {
		for _, c := range []struct {
			method, path     string
			status           int
			route, errorType string
		}{
			{"GET", "/admin/clients/7", 200, "/admin/clients/{id}", ""},
			{"GET", "/nowhere", 404, "", ""},
			{"DELETE", "/admin/clients/7", 405, "", ""},
			{"GET", "/admin/panic", 500, "/admin/panic", "panic: string"},
		} {
			t.Run(name+" "+c.method+" "+c.path, func(t *testing.T) {
				var s recordtest.Sink
				record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
				if err != nil {
					t.Fatal(err)
				}
				e := recordtest.Ask(t, &s, record(router()), c.method, c.path)
				if e.StatusCode != c.status || e.ErrorType != c.errorType || c.route != "" && (e.Route != c.route || e.User != anna) {
					t.Errorf("recorded %s (route %q, error %q)", e.Line(), e.Route, e.ErrorType)
				}
			})
		}
	}
}

// Put into chi with Use, the middleware records what chi routes, with the
// route by itself, and misses nothing that reaches that router.
func TestWithinChi(t *testing.T) {
	for path, want := range map[string]string{"/admin/clients/7": "/admin/clients/{id}", "/nowhere": ""} {
		var s recordtest.Sink
		record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
		if err != nil {
			t.Fatal(err)
		}
		r := chi.NewRouter()
		r.Use(record)
		r.Get("/admin/clients/{id}", clients)
		if e := recordtest.Ask(t, &s, r, "GET", path); e.Route != want {
			t.Errorf("%s: route %q, want %q", path, e.Route, want)
		}
	}
}

// Around the router and within it, the middleware makes one record, with what
// both places know.
func TestAroundAndWithin(t *testing.T) {
	for name, router := range map[string]func(record func(http.Handler) http.Handler) http.Handler{
		"chi": func(record func(http.Handler) http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(chimiddleware.Compress(5), record)
			r.Get("/admin/clients/{id}", clients)
			return r
		},
		"chi, mounted": func(record func(http.Handler) http.Handler) http.Handler {
			inner := chi.NewRouter()
			inner.Use(record)
			inner.Get("/clients/{id}", clients)
			r := chi.NewRouter()
			r.Use(record)
			r.Mount("/admin", inner)
			return r
		},
		"gorilla": func(record func(http.Handler) http.Handler) http.Handler {
			r := mux.NewRouter()
			r.Use(record)
			r.HandleFunc("/admin/clients/{id}", clients)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s recordtest.Sink
			record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
			if err != nil {
				t.Fatal(err)
			}
			e := recordtest.Ask(t, &s, record(authenticate(router(record))), "GET", "/admin/clients/7")
			if e.StatusCode != 200 || e.User != anna || name == "chi" && e.Route != "/admin/clients/{id}" {
				t.Errorf("recorded %s", e.Line())
			}
		})
	}
}
