package instrumentation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/embedded"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// Values whose own methods panic, or never end.
type (
	textError    struct{}
	unwrapError  struct{}
	isError      struct{}
	loop         struct{ _ int } // of some size, so that each is its own
	badString    struct{}
	uncomparable []int
)

func (textError) Error() string    { panic("Error") }
func (unwrapError) Error() string  { return "unwrap" }
func (unwrapError) Unwrap() error  { panic("Unwrap") }
func (isError) Error() string      { return "is" }
func (isError) Is(error) bool      { panic("Is") }
func (e *loop) Unwrap() error      { return e }
func (e *loop) Error() string      { return "loop" }
func (badString) String() string   { panic("String") }
func (uncomparable) Error() string { return "uncomparable" }

// caught is what f panics with.
func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestWhateverAHandlerPanicsWithIsRecorded(t *testing.T) {
	for want, v := range map[string]any{
		"panic: *url.Error":                        (*url.Error)(nil),
		"panic: instrumentation_test.textError":    textError{},
		"panic: instrumentation_test.unwrapError":  unwrapError{},
		"panic: instrumentation_test.isError":      isError{},
		"panic: *instrumentation_test.loop":        &loop{},
		"panic: instrumentation_test.badString":    badString{},
		"panic: *fmt.wrapError":                    fmt.Errorf("x: %w", isError{}),
		"panic: *errors.joinError":                 errors.Join(unwrapError{}, textError{}),
		"panic: *runtime.PanicNilError":            nil,
		"panic: instrumentation_test.uncomparable": uncomparable{1},
		"panic: func()":                            func() {},
		"panic: map[string]int":                    map[string]int{},
		"abort":                                    http.ErrAbortHandler,
	} {
		t.Run(want, func(t *testing.T) {
			var s sink
			h := newMiddleware(t, &s)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) }))
			if caught(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) }) == nil {
				t.Error("the panic did not go on")
			}
			if e := s.Only(t); e.ErrorType != want || e.StatusCode != 500 {
				t.Errorf("recorded %d %q, want 500 %q", e.StatusCode, e.ErrorType, want)
			}
		})
	}
}

// A function of the application's that panics ends the request as its handler
// would, and is recorded like it.
func TestFunctionsThatPanic(t *testing.T) {
	for name, option := range map[string]instrumentation.Option{
		"filter":  instrumentation.WithFilter("f", instrumentation.When(func(*http.Request) bool { panic(textError{}) })),
		"strict":  instrumentation.WithStrict(instrumentation.When(func(*http.Request) bool { panic(textError{}) })),
		"admin":   instrumentation.WithAdmin(func(*http.Request) adminsessions.User { panic(textError{}) }),
		"session": instrumentation.WithSessionID(func(*http.Request) string { panic(textError{}) }, make([]byte, 16)),
		"type":    instrumentation.WithType(func(*http.Request) adminsessions.Type { panic(textError{}) }),
		"nil map": instrumentation.WithFilter("f", instrumentation.When(func(r *http.Request) bool { var m map[string]*url.URL; return m["x"].Path == "" })),
	} {
		t.Run(name, func(t *testing.T) {
			var s sink
			h := newMiddleware(t, &s, option)(ok)
			w := httptest.NewRecorder()
			if caught(func() { h.ServeHTTP(w, httptest.NewRequest("DELETE", "/admin/users/7", nil)) }) == nil {
				t.Error("the panic did not go on")
			}
			e := s.Only(t)
			if e.StatusCode != 500 || !strings.HasPrefix(e.ErrorType, "panic: ") || e.Method != "DELETE" ||
				e.URL != "http://example.com/admin/users/7" || e.Type != adminsessions.Web || e.RequestID == "" {
				t.Errorf("recorded %s", e.Line())
			}
			if w.Body.Len() > 0 {
				t.Error("the handler ran")
			}
		})
	}
}

func TestAFilterThatEndsItsGoroutine(t *testing.T) {
	var s sink
	h := newMiddleware(t, &s, instrumentation.WithFilter("f", instrumentation.When(func(*http.Request) bool { runtime.Goexit(); return true })))(ok)
	var wg sync.WaitGroup
	wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
	wg.Wait()
	if e := s.Only(t); e.StatusCode != 500 || e.ErrorType != "goexit" {
		t.Errorf("recorded %d %q", e.StatusCode, e.ErrorType)
	}
}

// Attributes whose values panic when they are made into text do so in the
// handler; the record is made.
func TestAttributesThatPanic(t *testing.T) {
	for name, f := range map[string]func(context.Context){
		"Stringer": func(ctx context.Context) { instrumentation.Annotate(ctx, "x", attribute.Stringer("k", badString{})) },
		"nil Stringer": func(ctx context.Context) {
			instrumentation.Annotate(ctx, "x", attribute.Stringer("k", (*url.URL)(nil)))
		},
		"note": func(ctx context.Context) { instrumentation.Annotate(ctx, textError{}.Error()) },
	} {
		t.Run(name, func(t *testing.T) {
			var s sink
			h := newMiddleware(t, &s)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) }))
			_ = caught(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
			if e := s.Only(t); e.StatusCode != 500 || !strings.HasPrefix(e.ErrorType, "panic: ") {
				t.Errorf("recorded %d %q", e.StatusCode, e.ErrorType)
			}
		})
	}
}

// badContext is a context of somebody's whose methods panic.
type badContext struct {
	context.Context
	err, value bool
}

func (c badContext) Err() error {
	if c.err {
		panic("Err")
	}
	return c.Context.Err()
}

func (c badContext) Value(key any) any {
	if c.value {
		panic("Value")
	}
	return c.Context.Value(key)
}

// A context or a ResponseWriter of somebody else's that panics takes nothing
// from the record.
func TestSurroundingsThatPanic(t *testing.T) {
	for name, c := range map[string]badContext{"Err": {err: true}, "Value within the handler": {}} {
		t.Run(name, func(t *testing.T) {
			var s sink
			c.Context = t.Context()
			h := newMiddleware(t, &s)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusNoContent)
				if !c.err {
					panic("bug")
				}
			}))
			_ = caught(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(c, "DELETE", "/x", nil)) })
			e := s.Only(t)
			if want := map[bool]int{true: 204, false: 500}[c.err]; e.StatusCode != want || e.ErrorType != "panic: string" {
				t.Errorf("recorded %d %q", e.StatusCode, e.ErrorType)
			}
		})
	}
}

// A writer's error whose methods panic is an error like any other.
type failingWriter struct {
	*httptest.ResponseRecorder
	err error
}

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteErrorsThatPanic(t *testing.T) {
	for _, err := range []error{textError{}, isError{}, unwrapError{}, uncomparable{1}, (*url.Error)(nil)} {
		var s sink
		h := newMiddleware(t, &s)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }))
		h.ServeHTTP(failingWriter{httptest.NewRecorder(), err}, httptest.NewRequest("GET", "/", nil))
		if e := s.Only(t); e.StatusCode != 200 {
			t.Errorf("%T: recorded %d %q", err, e.StatusCode, e.ErrorType)
		}
	}
}

// badProvider panics wherever it is asked.
type badProvider struct{ embedded.LoggerProvider }

func (badProvider) Logger(string, ...log.LoggerOption) log.Logger { return badLogger{} }

type badLogger struct{ embedded.Logger }

func (badLogger) Enabled(context.Context, log.EnabledParameters) bool { panic(textError{}) }
func (badLogger) Emit(context.Context, log.Record)                    { panic(textError{}) }

func TestAProviderThatPanicsIsCountedAndTheRequestGoesOn(t *testing.T) {
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(badProvider{}), instrumentation.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	mw(ok).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Body.String() != "ok" {
		t.Errorf("answer %q", w.Body)
	}
}
