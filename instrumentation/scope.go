package instrumentation

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
)

// scope is one request on its way through the middleware. The handler, and
// whatever it leaves behind, may hold on to it (as ResponseWriter and through
// the context) for as long as it likes, so a scope is never used again; what
// is worth using again is in its record, which it loses when the request ends.
// That of an act without a request has only what concerns no request.
type scope struct {
	m    *middleware
	ctx  context.Context // the request's, as it came
	req  *http.Request   // as handed on; nil of an act without a request
	rw   http.ResponseWriter
	full http2Common // rw as the view in use needs it

	// What became of the response. Written, as a ResponseWriter is, by one
	// goroutine at a time.
	status      int
	wroteHeader bool
	hijacked    bool
	stream      bool
	deadlines   *deadlines // nil unless the handler has chosen some
	writeErr    error

	requestID [1]string // in the form a header has it; a handler may change it there
	watched   watched
	form      *formCapture // nil unless form fields are asked for
	body      *bodyCapture // nil unless something of the body is asked for
	treatment *treatment   // nil without a policy
	traced    bool         // the request's own context has a span

	mu  sync.Mutex
	id  string  // the request's; guarded by mu, and changed by the handler's goroutine only
	rec *record // nil once the request has ended; guarded by mu
	who who     // once it has ended; guarded by mu
}

// deadlines are those that the handler has chosen.
type deadlines struct {
	read     time.Time // the last one, or zero
	write    time.Time // zero for none, in place of the server's if writeSet
	writeSet bool
}

// record is an event in the making, used again for other requests.
type record struct {
	event       adminsessions.Event
	buf         []byte
	startedSent bool
	// startedAlone says that the request has a started record of its own, so
	// that its complete record must be its own, too.
	startedAlone bool
	// admitted says that a strict request was rationed (fold_strict.go).
	admitted bool
	next     http.Handler      // what handles the request, for the route that it will find
	span     trace.SpanContext // of the request, or of a setter's context
	act      *act              // of the route, once that is known
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

// detached returns the request's context without its end, and with the trace of
// the record: a record is made of a request whose client has left, too.
func (s *scope) detached(rec *record) context.Context {
	if !s.traced && rec.span.IsValid() {
		return trace.ContextWithSpanContext(detached{s}, rec.span)
	}
	return detached{s}
}

type detached struct{ s *scope }

func (detached) Deadline() (time.Time, bool) { return time.Time{}, false }
func (detached) Done() <-chan struct{}       { return nil }
func (detached) Err() error                  { return nil }
func (c detached) Value(key any) any         { return c.s.ctx.Value(key) }

// begin fills in what is known when the request arrives.
func (s *scope) begin(r *http.Request) {
	m, rec := s.m, s.rec
	e := &rec.event
	e.Type = defaultType(r)
	e.Method, e.SentMethod = normalizeMethod(r.Method)
	if e.SentMethod != "" {
		e.SentMethod = m.bounded(e, fieldSentMethod, e.SentMethod)
	}
	if sc := trace.SpanContextFromContext(s.ctx); sc.IsValid() {
		s.traced, rec.span = true, sc
		m.redactSpan(r)
	}
	o := m.proxies.origin(r)
	e.ClientAddress = m.truncation.apply(o.address)
	m.setGeo(e, o.address)

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
	b, cut := m.appendURL(b, r, &o)
	known := string(b)
	rec.buf = b
	if s.id = given; given == "" {
		s.id = known[:n]
	}
	e.RequestID = s.id
	e.URL = m.bounded(e, fieldURL, known[n:])
	if cut {
		markCut(e, fieldURL.name)
	}

	if ua := r.Header["User-Agent"]; len(ua) > 0 {
		e.UserAgent = m.bounded(e, fieldUserAgent, ua[0])
	}
	if len(m.headers) > 0 {
		m.recordHeaders(e, r.Header)
	}
	if name := m.requestIDHeader; name != "" {
		s.requestID[0] = s.id
		s.rw.Header()[name] = s.requestID[:]
	}
}

// ask calls the functions that the application has given. One that panics
// ends the request as a panic of the handler does, and is recorded like it.
func (s *scope) ask(r *http.Request) {
	m := s.m
	e := &s.rec.event
	if m.typeOf != nil {
		if t := m.typeOf(r); t == adminsessions.API || t == adminsessions.Web {
			e.Type = t
		}
	}
	if m.admin != nil {
		m.setAdmin(e, m.admin(r)) // nobody else has the record yet
	}
	if m.actor != nil {
		m.setActor(e, m.actor(r))
	}
	if m.session != nil {
		if id := m.session.id(r); id != "" {
			e.SessionID = m.session.hash(id)
		}
	}
}

// who is who acts, for acts that go back to a request.
type who struct {
	user, target adminsessions.User
	actor        adminsessions.Actor
	session      string
}

func whoOf(e *adminsessions.Event) who { return who{e.User, e.Target, e.Actor, e.SessionID} }

// origin is the id of the request, and who it comes from, also when it has ended.
func (s *scope) origin() (id string, w who) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == nil {
		return s.id, s.who
	}
	return s.id, whoOf(&s.rec.event)
}
