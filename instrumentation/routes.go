package instrumentation

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/redact"
	"github.com/adminsessions/adminsessions/internal/text"
)

// knownRoute is what is worked out of a method and a router's pattern.
type knownRoute struct {
	route   string
	cut     bool
	act     act
	secrets redact.PathPattern
	hides   bool // secrets is set
}

// routeKey is a method and a router's pattern.
type routeKey struct{ method, pattern string }

// Bounds of the routes that are remembered. A program has fewer; what comes
// beyond is worked out each time.
const (
	maxRoutes     = 4096
	maxRouteBytes = 512
)

func (m *middleware) knownRoute(method, pattern string) *knownRoute {
	key := routeKey{method, pattern}
	known, ok := m.routes.Load(key)
	if ok {
		return known
	}
	known = new(knownRoute)
	known.route, known.cut = text.Clean(routeOf(pattern), fieldRoute.limit)
	known.act = actOf(method, known.route)
	known.secrets, known.hides = m.redaction.RoutePattern(known.route)
	if len(pattern) <= maxRouteBytes {
		m.routes.Store(key, known, maxRoutes)
	}
	return known
}

// setRoute sets the route, and takes out of the URL, and of the span, what a
// wildcard of it stands for that has a secret's name: "/reset/{token}". It must
// be called with mu held.
func (s *scope) setRoute(rec *record, pattern string) {
	e := &rec.event
	known := s.m.knownRoute(e.Method, pattern)
	rec.act = &known.act
	e.Route = known.route
	if known.cut {
		markCut(e, fieldRoute.name)
	}
	s.hideWildcards(e, known)
}

// foreseeRoute hides what [scope.setRoute] would, of a request for which a
// ServeMux has not found the route yet, or has not told. It reads nothing that a
// handler might change meanwhile. It must be called with mu held.
func (s *scope) foreseeRoute(rec *record) {
	e := &rec.event
	mux, ok := rec.next.(*http.ServeMux)
	if !ok || e.Route != "" {
		return
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return
	}
	_, pattern := mux.Handler(&http.Request{Method: cmp.Or(e.SentMethod, e.Method), URL: u, Host: u.Host})
	s.hideWildcards(e, s.m.knownRoute(e.Method, pattern))
}

// hideSecrets is [scope.foreseeRoute] for a request that no handler is given.
func (s *scope) hideSecrets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreseeRoute(s.rec)
}

func (s *scope) hideWildcards(e *adminsessions.Event, known *knownRoute) {
	if !known.hides {
		return
	}
	if hidden := redact.HideIn(e.URL, known.secrets); hidden != e.URL {
		e.URL = hidden
		redactSpanPath(s.ctx, hidden)
	}
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
