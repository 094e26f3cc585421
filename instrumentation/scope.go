package instrumentation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/text"
)

// scope is one request on its way through the middleware. The handler, and
// whatever it leaves behind, may hold on to it (as ResponseWriter and through
// the context) for as long as it likes, so a scope is never used again; what
// is worth using again is in its record, which it loses when the request ends.
type scope struct {
	m    *middleware
	ctx  context.Context // the request's, as it came
	req  *http.Request   // as handed on
	rw   http.ResponseWriter
	full http2Common // rw as the view in use needs it

	// What became of the response. Written, as a ResponseWriter is, by one
	// goroutine at a time.
	status       int
	wroteHeader  bool
	goneAtHeader bool // the client had left before the answer began
	hijacked     bool
	stream       bool
	writeErr     error

	requestID [1]string // in the form a header has it
	watched   watched
	form      *formCapture // nil unless form fields are asked for

	mu  sync.Mutex
	rec *record // nil once the request has ended; guarded by mu
}

// record is an event in the making, used again for other requests.
type record struct {
	event       adminsessions.Event
	buf         []byte
	startedSent bool
	// startedAlone says that the request has a started record of its own, so
	// that its complete record must be its own, too.
	startedAlone bool
	span         trace.SpanContext // of a setter's context, for tracing that is done further in
}

var _ context.Context = scopeContext{}

// scopeContext is the request's context with the scope in it.
type scopeContext struct{ s *scope }

type scopeKey struct{}

func (c scopeContext) Deadline() (time.Time, bool) { return c.s.ctx.Deadline() }
func (c scopeContext) Done() <-chan struct{}       { return c.s.ctx.Done() }
func (c scopeContext) Err() error                  { return c.s.ctx.Err() }
func (c scopeContext) Value(key any) any {
	if _, ok := key.(scopeKey); ok {
		return c.s
	}
	return c.s.ctx.Value(key)
}

// detached is the request's context without its end: a record is made of a
// request whose client has left, too.
type detached struct{ s *scope }

func (detached) Deadline() (time.Time, bool) { return time.Time{}, false }
func (detached) Done() <-chan struct{}       { return nil }
func (detached) Err() error                  { return nil }
func (c detached) Value(key any) any         { return c.s.ctx.Value(key) }

// begin fills in what is known when the request arrives.
func (s *scope) begin(r *http.Request, start time.Time) {
	m, rec := s.m, s.rec
	e := &rec.event
	e.Time = start.UTC()
	o := m.proxies.origin(r)
	e.ClientAddress = m.truncation.apply(o.address)
	e.Method, e.SentMethod = normalizeMethod(r.Method)
	if e.SentMethod != "" {
		e.SentMethod = m.bounded(e, adminsessions.KeyMethodOriginal, e.SentMethod, MaxMethodBytes)
	}

	// Two strings for one allocation.
	b := rec.buf[:0]
	given := ""
	if o.trustedPeer && m.requestIDHeader != "" {
		if v := r.Header[m.requestIDHeader]; len(v) > 0 && isRequestID(v[0]) {
			given = v[0]
		}
	}
	if given == "" {
		b = appendRequestID(b)
	}
	n := len(b)
	b = m.redaction.appendURL(b, r, &o)
	known := string(b)
	rec.buf = b
	e.RequestID = given
	if given == "" {
		e.RequestID = known[:n]
	}
	e.URL = m.bounded(e, adminsessions.KeyURL, known[n:], MaxURLBytes)
	s.requestID[0] = e.RequestID

	if ua := r.Header["User-Agent"]; len(ua) > 0 {
		e.UserAgent = m.bounded(e, adminsessions.KeyUserAgent, ua[0], MaxUserAgentBytes)
	}
	if len(m.headers) > 0 {
		m.recordHeaders(e, r.Header)
	}
}

// ask calls the functions that the application has given. One that panics
// ends the request as a panic of the handler does, and is recorded like it.
func (s *scope) ask(r *http.Request) {
	m := s.m
	e := &s.rec.event
	e.Type = m.interfaceRule(r)
	if e.Type != adminsessions.API && e.Type != adminsessions.Web {
		e.Type = DefaultInterface(r)
	}
	if m.admin != nil {
		Recording{s}.SetAdmin(m.admin(r))
	}
	if m.session != nil {
		if id := m.session.id(r); id != "" {
			e.SessionID = m.session.hash(id)
		}
	}
}

// recordStarted makes the record that a request is under way, once. byHandler
// says that it is called by the goroutine that handles the request.
func (s *scope) recordStarted(byHandler bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.rec
	if rec == nil || rec.startedSent {
		return
	}
	if byHandler {
		s.noteRoute(&rec.event)
		rec.event.StatusCode = s.status
	}
	_ = s.sendStarted(s.detached(rec), adminsessions.Spooled)
}

// sendStarted must be called with mu held.
func (s *scope) sendStarted(ctx context.Context, d adminsessions.Durability) error {
	rec := s.rec
	e := &rec.event
	rec.startedSent = true
	e.Stage = adminsessions.Started
	e.Observed = s.m.now().UTC()
	action, resource := e.Action, e.Resource
	s.m.acts.describe(e)
	alone, err := s.m.deliver(ctx, e, d, false)
	if rec.startedAlone = alone && err == nil; rec.startedAlone {
		s.m.metrics.started.Inc()
	}
	e.Stage, e.StatusCode = "", 0
	e.Action, e.Resource = action, resource // the route may not be known yet
	return err
}

// finish makes the record of a request that has ended. If the handler did not
// return, panicked holds what it panicked with, or nil if its goroutine is
// being ended.
func (s *scope) finish(returned bool, panicked any) {
	m := s.m
	m.watch.remove(s)
	end := m.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.rec
	s.rec = nil
	e := &rec.event
	e.Stage = adminsessions.Complete
	e.Observed = end.UTC()
	e.Duration = end.Sub(e.Time)
	var errorType string
	e.StatusCode, errorType = s.outcome(returned, panicked)
	if e.ErrorType == "" {
		e.ErrorType = m.bounded(e, adminsessions.KeyErrorType, errorType, MaxErrorTypeBytes)
	}
	s.noteRoute(e)
	if s.form != nil {
		m.recordForm(e, s.req, s.form)
	}
	m.acts.describe(e)
	m.metrics.request(e.Type)
	if !returned {
		m.metrics.panics.Inc()
	}
	if len(e.Cut) > 0 {
		m.metrics.truncated.Add(float64(len(e.Cut)))
	}
	_, _ = m.deliver(s.detached(rec), e, adminsessions.Spooled, rec.startedAlone)
	m.release(rec)
}

func (s *scope) noteRoute(e *adminsessions.Event) {
	if e.Route == "" && s.req.Pattern != "" {
		e.Route = s.m.bounded(e, adminsessions.KeyRoute, routeOf(s.req.Pattern), MaxRouteBytes)
	}
}

// detached returns the context for emitting: one with the trace.
func (s *scope) detached(rec *record) context.Context {
	if rec.span.IsValid() && !trace.SpanContextFromContext(s.ctx).IsValid() {
		return trace.ContextWithSpanContext(detached{s}, rec.span)
	}
	return detached{s}
}

// Values of error.type. That of a panic is "panic: " and the type of what it
// was called with.
const (
	errorTypeClientGone = "client_gone"        // the client left before the answer was complete
	errorTypeTimeout    = "timeout"            // a deadline set around the middleware ran out
	errorTypeAbort      = "abort"              // http.ErrAbortHandler: the answer was cut off on purpose
	errorTypeExit       = "goexit"             // the handler ended its goroutine
	errorTypeUnrecorded = "record_unavailable" // refused in strict mode
)

// StatusClientClosedRequest is recorded when the client left before it was
// answered. It is nginx's, not a registered status, and is never sent.
const StatusClientClosedRequest = 499

// outcome is the status and error type of a request that has ended.
func (s *scope) outcome(returned bool, panicked any) (int, string) {
	cause := s.ctx.Err()
	gone := errors.Is(cause, context.Canceled)
	if !returned {
		kind := errorTypeExit
		if panicked != nil {
			kind = panicType(panicked)
		}
		if kind == errorTypeAbort && gone {
			return StatusClientClosedRequest, errorTypeClientGone
		}
		return http.StatusInternalServerError, kind
	}
	switch {
	case s.stream:
		// That its client leaves is how a stream ends.
	case errors.Is(s.writeErr, http.ErrHandlerTimeout),
		errors.Is(cause, context.DeadlineExceeded) && !s.wroteHeader:
		// Who set the deadline has answered, or will, in our place.
		return http.StatusServiceUnavailable, errorTypeTimeout
	case gone && (!s.wroteHeader || s.goneAtHeader || s.writeErr != nil):
		return StatusClientClosedRequest, errorTypeClientGone
	}
	if s.wroteHeader || s.hijacked {
		return s.status, ""
	}
	return http.StatusOK, ""
}

func panicType(v any) string {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return errorTypeAbort
	}
	return fmt.Sprintf("panic: %T", v)
}

// routeOf takes the method off a ServeMux pattern, and keeps a host.
func routeOf(pattern string) string {
	for i := range len(pattern) {
		switch pattern[i] {
		case ' ', '\t':
			for i < len(pattern) && (pattern[i] == ' ' || pattern[i] == '\t') {
				i++
			}
			return pattern[i:]
		case '/':
			return pattern
		}
	}
	return pattern
}

// bounded cleans a value from outside and marks it in the event when it was
// cut.
func (m *middleware) bounded(e *adminsessions.Event, key, value string, limit int) string {
	value, cut := text.Clean(value, limit)
	if cut && !slices.Contains(e.Cut, key) {
		e.Cut = append(e.Cut, key)
	}
	return value
}

// setAttribute sets one of the application's attributes, in place of an
// earlier one of the same key.
func (m *middleware) setAttribute(e *adminsessions.Event, kv attribute.KeyValue) {
	for i := range e.Attributes {
		if e.Attributes[i].Key == kv.Key {
			e.Attributes[i] = kv
			return
		}
	}
	if len(e.Attributes) == MaxAttributes {
		m.metrics.refusedByReason[detailTooMany].Inc()
		return
	}
	e.Attributes = append(e.Attributes, kv)
}
