package instrumentation

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"

	"github.com/adminsessions/adminsessions"
)

// middleware is the part that all handlers of one NewMiddleware share.
type middleware struct {
	config
	destination destination
	metrics     *metrics
	losses      limitedLog // says that a record was lost
	omissions   limitedLog // says that a detail was left out
	watch       *watch
	fold        *fold
	records     sync.Pool // of *record
	acts        acts
	warned      sync.Once
}

// NewMiddleware returns a middleware that records every request to the handler
// it is put around. Put it outermost: what stands around it and answers by
// itself is not seen.
//
// Without options, records go to OpenTelemetry's global LoggerProvider, spans
// and metrics come from otelhttp with the global providers, nobody's
// X-Forwarded-For is believed, and nobody is signed in until [SetAdmin] says
// so. An option that makes no sense is an error that names it.
func NewMiddleware(opts ...Option) (func(http.Handler) http.Handler, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	m := &middleware{
		config:      c,
		destination: newDestination(c.provider),
		losses:      limitedLog{logger: c.logger},
		omissions:   limitedLog{logger: c.logger},
		watch:       newWatch(c.startedAfter),
		records:     sync.Pool{New: func() any { return new(record) }},
	}
	if m.metrics, err = newMetrics(c.registerer, c.filters); err != nil {
		return nil, optionError("WithRegisterer", "registering the middleware's metrics: %w", err)
	}
	m.fold = newFold(m)
	if !c.otelhttp {
		return m.wrap, nil
	}
	trace := otelhttp.NewMiddleware("adminsessions", c.otelhttpOptions...)
	return func(next http.Handler) http.Handler {
		recorded := m.wrap(next)
		traced := trace(recorded)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, already := otelhttp.LabelerFromContext(r.Context()); already || m.idle(r) {
				recorded.ServeHTTP(w, r)
				return
			}
			traced.ServeHTTP(w, r)
		})
	}, nil
}

func (m *middleware) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.destination.enabled(r.Context()) {
			m.disabled()
			next.ServeHTTP(w, r)
			return
		}
		for i := range m.filters {
			if m.filters[i].match(r) == yes {
				m.metrics.filtered[i].Inc()
				next.ServeHTTP(w, r)
				return
			}
		}
		m.serve(next, w, r)
	})
}

func (m *middleware) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	start := m.now()
	s := &scope{m: m, ctx: r.Context(), rw: w, rec: m.records.Get().(*record)}
	s.req = r.WithContext(scopeContext{s})
	s.begin(r, start)
	if m.requestIDHeader != "" {
		w.Header()[m.requestIDHeader] = s.requestID[:]
	}
	s.form = m.captureForm(s.req)
	returned := false
	defer func() {
		var panicked any
		if !returned {
			panicked = recover()
		}
		s.handBack(r)
		s.finish(returned, panicked)
		if panicked != nil {
			panic(panicked)
		}
	}()
	s.ask(r)
	if !m.admit(s, r) {
		s.refuse()
		returned = true
		return
	}
	m.watch.add(s, start)
	next.ServeHTTP(s.response(), s.req)
	returned = true
}

// handBack gives what is written into a request to the one we were given: the
// server removes the files of its form, and otelhttp names the span by its
// pattern.
func (s *scope) handBack(r *http.Request) {
	if s.req.Pattern != "" {
		r.Pattern = s.req.Pattern
	}
	if s.req.MultipartForm != nil {
		r.MultipartForm = s.req.MultipartForm
	}
}

// admit reports whether the request may be handled: in strict mode, once its
// record is safe.
func (m *middleware) admit(s *scope, r *http.Request) bool {
	if !slices.ContainsFunc(m.strict, func(rule Rule) bool { return rule.match(r) != no }) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.detached(s.rec), m.strictTimeout)
	defer cancel()
	return s.sendStarted(ctx, adminsessions.Synced) == nil
}

// refuse answers a request that could not be recorded.
func (s *scope) refuse() {
	m := s.m
	m.metrics.refused.Inc()
	s.rec.event.ErrorType = errorTypeUnrecorded
	h := s.Header()
	h.Set("Retry-After", retryAfter)
	h.Set("Cache-Control", "no-store")
	http.Error(s, "This request was not carried out: it must be recorded first, and its record could not be saved. "+
		"Try again in a few seconds. Request id: "+s.requestID[0], http.StatusServiceUnavailable)
}

// disabled counts, and says once, that nothing takes the records.
func (m *middleware) disabled() {
	m.metrics.lost[failureDisabled].Inc()
	m.warned.Do(func() {
		m.logger.Warn("admin requests are not recorded: no LoggerProvider takes them; " +
			"give one with instrumentation.WithLoggerProvider or otel.SetLoggerProvider")
	})
}

// idle reports whether there is nothing to do at all: nobody takes records,
// and no OpenTelemetry SDK is there for otelhttp to work for.
func (m *middleware) idle(r *http.Request) bool {
	return len(m.otelhttpOptions) == 0 && !m.destination.enabled(r.Context()) &&
		isAPIOnly(otel.GetTracerProvider()) && isAPIOnly(otel.GetMeterProvider())
}

// isAPIOnly reports whether a provider is the API's own stand-in.
func isAPIOnly(provider any) bool {
	t := reflect.TypeOf(provider)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	path := t.PkgPath()
	return path == "go.opentelemetry.io/otel/internal/global" ||
		strings.HasPrefix(path, "go.opentelemetry.io/otel/") && strings.HasSuffix(path, "/noop")
}

// release makes a record ready for the next request. It lets go of what the
// event points to, and of memory that one large request has made it take.
func (m *middleware) release(rec *record) {
	const keep = 4 << 10
	attrs, truncated, buf := rec.event.Attributes, rec.event.Cut, rec.buf
	clear(attrs)
	if cap(buf) > keep {
		buf = nil
	}
	*rec = record{buf: buf}
	rec.event.Attributes, rec.event.Cut = attrs[:0], truncated[:0]
	m.records.Put(rec)
}

// now is the time; it is a method so that the usual clock costs no call
// through a pointer.
func (c *config) now() time.Time {
	if c.clock != nil {
		return c.clock()
	}
	return time.Now()
}
