package instrumentation

import (
	"context"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
	"github.com/adminsessions/adminsessions/internal/languages"
	"github.com/adminsessions/adminsessions/internal/memo"
)

// middleware is the part that all handlers of one NewMiddleware share. A Recorder
// has one, too.
type middleware struct {
	config
	destination destination
	losses      limitedLog // says that a record was lost
	omissions   limitedLog // says that a detail was left out
	watch       *watch
	fold        *fold
	records     sync.Pool // of *record
	routes      memo.Map[routeKey, *knownRoute]
	structs     memo.Map[reflect.Type, []structField]
	warned      sync.Once

	reasonLanguage *languages.Matcher // chooses among reasonLanguages
}

// NewMiddleware returns a middleware that records every request to the handler
// it is put around. Put it outermost: what stands around it and answers by
// itself is not seen. Where it is mounted twice, the outer one records.
//
// Without options, records go to OpenTelemetry's global LoggerProvider, nobody's
// X-Forwarded-For is believed, and nobody is signed in until [SetAdmin] says
// so. Options that make no sense are an error that names each of them.
func NewMiddleware(opts ...Option) (func(http.Handler) http.Handler, error) {
	m, err := newMiddleware(opts)
	if err != nil {
		return nil, err
	}
	m.recordPolicy()
	if !m.otelhttp {
		return m.wrap, nil
	}
	return m.trace(otelhttp.NewMiddleware("adminsessions", m.otelhttpOptions...)), nil
}

func newMiddleware(opts []Option) (*middleware, error) {
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
	m.fold = newFold(m)
	var codes []string
	for _, l := range reasonLanguages() {
		codes = append(codes, l.language)
	}
	m.reasonLanguage = languages.NewMatcher(codes...)
	return m, nil
}

// trace puts otelhttp around the middleware, unless a request has come through
// it already.
func (m *middleware) trace(otel func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		recorded := m.wrap(next)
		traced := otel(recorded)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, already := otelhttp.LabelerFromContext(r.Context()); already {
				recorded.ServeHTTP(w, r)
				return
			}
			traced.ServeHTTP(w, r)
		})
	}
}

func (m *middleware) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.destination.enabled(r.Context()) {
			m.disabled()
			m.redactSpan(r)
			next.ServeHTTP(w, r)
			return
		}
		if outer := FromContext(r.Context()).s; outer != nil && m.isCovered(outer, r) {
			outer.pass(next, w, r)
			return
		}
		var t *treatment
		if len(m.filters) > 0 || m.rules != nil {
			filtered, ended := m.isFiltered(w, r, &t)
			if ended {
				return
			}
			if filtered {
				m.redactSpan(r)
				next.ServeHTTP(w, r)
				return
			}
		}
		m.serve(next, t, w, r)
	})
}

// isCovered reports whether the request is on record already, because the
// middleware, or another one, stands further out. A request that a handler makes
// up and sends through the same handlers is another one: where it may be, it is
// recorded, for two records are better than none. A middleware that decides what
// is handled relies on itself only.
func (m *middleware) isCovered(outer *scope, r *http.Request) bool {
	outer.mu.Lock()
	over := outer.rec == nil
	outer.mu.Unlock()
	if over || outer.req == nil || outer.m != m && m.decides() {
		return false
	}
	return r.Method == outer.req.Method && r.RequestURI == outer.req.RequestURI &&
		strings.HasSuffix(outer.req.URL.Path, r.URL.Path) // the beginning may have been taken off
}

// decides reports whether some requests are not handled before they are recorded,
// or before they say why.
func (m *middleware) decides() bool {
	return len(m.strict) > 0 || len(m.reasons) > 0 ||
		m.rules != nil && slices.ContainsFunc(m.rules.rules, func(r policyRule) bool { return r.Strict || r.RequireReason })
}

// pass hands a request on whose record is being made further out.
func (s *scope) pass(next http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if r.Pattern == "" {
			return
		}
		Recording{s}.update(func(_ *middleware, e *adminsessions.Event) {
			if e.Route == "" {
				s.setRoute(s.rec, r.Pattern)
			}
		})
	}()
	next.ServeHTTP(w, r)
}

// isFiltered reports whether a filter, or the policy, leaves the request out; if
// not, t is what the policy asks. If a filter panics, the request ends as if its
// handler had, and is recorded.
func (m *middleware) isFiltered(w http.ResponseWriter, r *http.Request, t **treatment) (filtered, ended bool) {
	asked := false
	defer func() {
		if !asked {
			ended = true
			m.serve(endWith(recover()), nil, w, r)
		}
	}()
	for i := range m.filters {
		if m.filters[i].match(r) == yes {
			m.filters[i].matched.Add(1)
			filtered = true
			break
		}
	}
	if !filtered {
		*t = m.treat(r)
		if rule := (*t).countOnly(); rule != nil {
			rule.matched.Add(1)
			filtered = true
		}
	}
	asked = true
	return filtered, false
}

// endWith is a handler that panics, or, with nil, ends its goroutine as
// somebody has begun to.
func endWith(panicked any) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if panicked == nil {
			runtime.Goexit()
		}
		panic(panicked)
	})
}

func (m *middleware) serve(next http.Handler, t *treatment, w http.ResponseWriter, r *http.Request) {
	s := &scope{m: m, ctx: r.Context(), rw: w, treatment: t, rec: m.records.Get().(*record)}
	s.rec.event.Time = m.now().UTC() // which keeps the monotonic clock's reading
	s.rec.next = next
	s.req = r.WithContext(scopeContext{s})
	returned := false
	defer func() {
		var panicked any
		if !returned {
			panicked = recover()
		}
		s.returnTo(r)
		s.finish(returned, panicked)
		if panicked != nil {
			panic(panicked)
		}
	}()
	s.begin(r)
	s.ask(r)
	if ok, form := m.explained(s, r); !ok {
		s.askReason(r, form)
		returned = true
		return
	}
	if !m.admit(s, r) {
		s.refuse()
		returned = true
		return
	}
	s.form = s.captureForm(s.req)
	s.captureBody()
	m.watch.add(s, s.rec.event.Time)
	next.ServeHTTP(s.response(), s.req)
	returned = true
}

// returnTo gives what handlers write into a request to the one we were given:
// the server removes the files of its form, and otelhttp names the span by its
// pattern.
func (s *scope) returnTo(r *http.Request) {
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
	if !s.treatment.strict() && !slices.ContainsFunc(m.strict, func(rule Rule) bool { return rule.match(r) != no }) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec.event.Anonymous() {
		if s.rec.admitted = m.fold.admit(&s.rec.event); !s.rec.admitted {
			return false
		}
	}
	ctx, cancel := context.WithTimeout(s.detached(s.rec), m.strictTimeout)
	defer cancel()
	return s.sendStarted(ctx, adminsessions.Synced) == nil
}

// refuse answers a request that could not be recorded.
func (s *scope) refuse() {
	m := s.m
	m.metrics.Refused.Add(1)
	s.rec.event.ErrorType = errorTypeUnrecorded
	s.hideSecrets()
	h := s.Header()
	h.Set("Retry-After", retryAfter)
	h.Set("Cache-Control", "no-store")
	http.Error(s, "This request was not carried out: it must be recorded first, and its record could not be saved. "+
		"Try again in a few seconds. Request id: "+s.rec.event.RequestID, http.StatusServiceUnavailable)
}

// disabled counts, and says once, that nothing takes the records.
func (m *middleware) disabled() {
	m.metrics.Lost[counters.LostDisabled].Add(1)
	m.warned.Do(func() {
		m.logger.Warn("admin requests are not recorded: no LoggerProvider takes them; " +
			"give one with instrumentation.WithLoggerProvider or otel.SetLoggerProvider")
	})
}

// release makes a record ready for the next request. It lets go of what the
// event points to, and of memory that one large request has made it take.
func (m *middleware) release(rec *record) {
	const keep = 4 << 10
	attrs, cut, buf := rec.event.Attributes, rec.event.Cut, rec.buf
	clear(attrs)
	if cap(buf) > keep {
		buf = nil
	}
	*rec = record{buf: buf}
	rec.event.Attributes, rec.event.Cut = attrs[:0], cut[:0]
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
