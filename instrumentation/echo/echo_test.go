package adminsessionsecho_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	adminsessionsecho "github.com/adminsessions/adminsessions/instrumentation/echo"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

var anna = adminsessions.User{FullName: "Anna Kowalska", Email: "anna@example.com"}

func router(recovery bool) *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	if recovery {
		e.Use(middleware.Recover())
	}
	e.Use(adminsessionsecho.Middleware())
	admin := e.Group("/admin", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			instrumentation.SetAdmin(c.Request().Context(), anna)
			return next(c)
		}
	})
	admin.GET("/clients/:id", func(c echo.Context) error { return c.String(http.StatusOK, c.Param("id")) })
	admin.GET("/error", func(echo.Context) error { return echo.NewHTTPError(http.StatusConflict, "no") })
	admin.GET("/failure", func(echo.Context) error { return errors.New("database is away") })
	admin.GET("/panic", func(echo.Context) error { panic("boom") })
	return e
}

func TestEcho(t *testing.T) {
	for name, c := range map[string]struct {
		method, path     string
		withoutRecovery  bool
		status           int
		route, errorType string
		anna             bool
	}{
		"route with a parameter": {"GET", "/admin/clients/7", false, 200, "/admin/clients/:id", "", true},
		"error":                  {"GET", "/admin/error", false, 409, "/admin/error", "", true},
		"failure":                {"GET", "/admin/failure", false, 500, "/admin/failure", "", true},
		"not found":              {"GET", "/nowhere", false, 404, "", "", false},
		// A group with middlewares has a catch-all route of its own.
		"not found in the group":    {"POST", "/admin/error", false, 404, "/admin/*", "", true},
		"panic":                     {"GET", "/admin/panic", false, 500, "/admin/panic", "panic: string", true},
		"panic that nobody catches": {"GET", "/admin/panic", true, 500, "/admin/panic", "panic: string", true},
	} {
		t.Run(name, func(t *testing.T) {
			var s recordtest.Sink
			record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
			if err != nil {
				t.Fatal(err)
			}
			e := recordtest.Ask(t, &s, record(router(!c.withoutRecovery)), c.method, c.path)
			if e.StatusCode != c.status || e.Route != c.route || e.ErrorType != c.errorType || (e.User == anna) != c.anna {
				t.Errorf("recorded %s (route %q, error %q)", e.Line(), e.Route, e.ErrorType)
			}
		})
	}
}

func TestWithoutRecordingItDoesNothing(t *testing.T) {
	w := httptest.NewRecorder()
	router(true).ServeHTTP(w, httptest.NewRequest("GET", "/admin/clients/7", nil))
	if w.Code != http.StatusOK || w.Body.String() != "7" {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}
