package adminsessionsgin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	adminsessionsgin "github.com/adminsessions/adminsessions/instrumentation/gin"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

var anna = adminsessions.User{FullName: "Anna Kowalska", Email: "anna@example.com"}

func engine(recovery bool) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	if recovery {
		e.Use(gin.RecoveryWithWriter(io.Discard))
	}
	e.Use(adminsessionsgin.Middleware())
	admin := e.Group("/admin", func(c *gin.Context) { instrumentation.SetAdmin(c.Request.Context(), anna) })
	admin.GET("/clients/:id", func(c *gin.Context) { c.String(http.StatusOK, c.Param("id")) })
	admin.GET("/files/*path", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	admin.GET("/refused", func(c *gin.Context) { c.AbortWithStatusJSON(http.StatusForbidden, gin.H{"error": "no"}) })
	admin.GET("/panic", func(*gin.Context) { panic("boom") })
	admin.GET("/late", func(c *gin.Context) {
		c.String(http.StatusOK, "so far so good")
		c.Writer.Flush()
		panic(errors.New("boom"))
	})
	return e
}

func TestGin(t *testing.T) {
	for name, c := range map[string]struct {
		method, path     string
		withoutRecovery  bool
		status           int
		route, errorType string
		anna             bool
	}{
		"route with a parameter":    {"GET", "/admin/clients/7", false, 200, "/admin/clients/:id", "", true},
		"wildcard":                  {"GET", "/admin/files/a/b", false, 204, "/admin/files/*path", "", true},
		"aborted":                   {"GET", "/admin/refused", false, 403, "/admin/refused", "", true},
		"not found":                 {"GET", "/nowhere", false, 404, "", "", false},
		"method not allowed":        {"POST", "/admin/refused", false, 405, "", "", false},
		"panic":                     {"GET", "/admin/panic", false, 500, "/admin/panic", "panic: string", true},
		"panic after the answer":    {"GET", "/admin/late", false, 200, "/admin/late", "panic: *errors.errorString", true},
		"panic that nobody catches": {"GET", "/admin/panic", true, 500, "/admin/panic", "panic: string", true},
	} {
		t.Run(name, func(t *testing.T) {
			var s recordtest.Sink
			record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
			if err != nil {
				t.Fatal(err)
			}
			e := recordtest.Ask(t, &s, record(engine(!c.withoutRecovery)), c.method, c.path)
			if e.StatusCode != c.status || e.Route != c.route || e.ErrorType != c.errorType || (e.User == anna) != c.anna {
				t.Errorf("recorded %s (route %q, error %q)", e.Line(), e.Route, e.ErrorType)
			}
		})
	}
}

func TestWithoutRecordingItDoesNothing(t *testing.T) {
	w := httptest.NewRecorder()
	engine(true).ServeHTTP(w, httptest.NewRequest("GET", "/admin/clients/7", nil))
	if w.Code != http.StatusOK || w.Body.String() != "7" {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}
