package instrumentationtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// Trail keeps what is recorded in memory.
type Trail struct {
	t        testing.TB
	provider *provider
	wrap     func(http.Handler) http.Handler
	recorder *instrumentation.Recorder
}

// New returns an empty Trail that records with the options given, which are those
// that the application gives to its middleware. It is its provider, whatever
// WithLoggerProvider says among them.
func New(t testing.TB, opts ...instrumentation.Option) *Trail {
	t.Helper()
	p := &provider{}
	opts = append(slices.Clone(opts), instrumentation.WithLoggerProvider(p))
	wrap, err := instrumentation.NewMiddleware(opts...)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := instrumentation.NewRecorder(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return &Trail{t: t, provider: p, wrap: wrap, recorder: recorder}
}

// Middleware puts the recording middleware around a handler. One that the handler
// has itself records nothing then, because the outermost does; unless it is strict
// or requires reasons, so give those options to New, and the handler without it.
func (tr *Trail) Middleware(next http.Handler) http.Handler { return tr.wrap(next) }

// Recorder records acts without a request.
func (tr *Trail) Recorder() *instrumentation.Recorder { return tr.recorder }

// Expect sends a request to the handler, with the middleware around it, and fails
// the test unless exactly the events wanted are recorded; see [Trail.Want]. It
// returns the handler's answer.
func (tr *Trail) Expect(h http.Handler, r *http.Request, want ...adminsessions.Event) *httptest.ResponseRecorder {
	tr.t.Helper()
	w := httptest.NewRecorder()
	tr.wrap(h).ServeHTTP(w, r)
	tr.Want(want...)
	return w
}

// Want fails the test unless what was recorded since the last Want, Expect or Take
// are exactly these events, in this order. Of each, only what is not empty is
// compared:
//
//   - Changes, if not nil, are all that there must be, in any order;
//   - of Attributes, those given must be among the recorded ones;
//   - everything else as it stands in the line.
func (tr *Trail) Want(want ...adminsessions.Event) {
	tr.t.Helper()
	if told := differences(want, tr.Take()); told != "" {
		tr.t.Error(told)
	}
}

// Take returns what was recorded since the last Want, Expect or Take.
func (tr *Trail) Take() []adminsessions.Event {
	p := tr.provider
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.events
	p.events = nil
	return events
}

// provider keeps events.
type provider struct {
	noop.LoggerProvider

	mu     sync.Mutex
	events []adminsessions.Event
}

var _ adminsessions.Sink = (*provider)(nil)

// RecordEvent keeps a copy of an event. What a middleware says of itself is no act
// of the application's.
func (p *provider) RecordEvent(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
	if e.Type == adminsessions.Trail {
		return nil
	}
	kept := *e
	kept.Attributes, kept.Cut, kept.Changes = slices.Clone(e.Attributes), slices.Clone(e.Cut), slices.Clone(e.Changes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, kept)
	return nil
}
