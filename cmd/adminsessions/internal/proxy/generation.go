package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/adminsessions/adminsessions/instrumentation"
)

// generation is one reading of the configuration, at work.
type generation struct {
	*Setup
	logger          *slog.Logger
	metrics         *metrics
	panels          []*upstream
	identifiers     []identifier
	requestIDHeader string
	buffers         buffers
	page            http.Handler // nil if there is none
	panel           http.Handler
	handler         http.Handler // all of it
}

// visit is what the proxy knows of one request. It belongs to the goroutine that
// handles it.
type visit struct {
	panel      *upstream // nil if there is none for it
	recording  instrumentation.Recording
	who        identity
	asked      bool // who has been asked
	session    sessionKey
	hasSession bool
	attempt    *attempt // nil if it is none to sign in
	began      bool     // the header of the answer is written
}

type visitKey struct{}

func withVisit(ctx context.Context, v *visit) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

func visitOf(r *http.Request) *visit {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	return v
}

// process is what all generations share.
type process struct {
	logger     *slog.Logger
	metrics    *metrics
	options    []instrumentation.Option // of every middleware: provider, metrics, logger
	sessionKey []byte
	newPage    func(*generation) (http.Handler, error)
}

func newGeneration(s *Setup, p *process) (*generation, error) {
	g := &generation{Setup: s, logger: p.logger, metrics: p.metrics, requestIDHeader: "X-Request-Id"}
	if name := s.config.Policy.RequestIDHeader; name != nil {
		g.requestIDHeader = http.CanonicalHeaderKey(*name)
	}
	for i := range s.config.Upstreams {
		up, err := newUpstream(&s.config.Upstreams[i], s.config.Timeouts)
		if err != nil {
			return nil, err
		}
		g.panels = append(g.panels, up)
	}
	for _, who := range s.config.Who {
		i, err := g.newIdentifier(&who)
		if err != nil {
			return nil, err
		}
		g.identifiers = append(g.identifiers, i)
	}
	opts := append([]instrumentation.Option{}, p.options...)
	opts = append(opts, instrumentation.WithAdmin(g.admin), instrumentation.WithActor(g.actor))
	if cookies := s.config.Session.Cookies; len(cookies) > 0 {
		opts = append(opts, instrumentation.WithSessionID(func(r *http.Request) string { return sessionOf(r, cookies) }, p.sessionKey))
	}
	if s.config.Page != nil {
		opts = append(opts, instrumentation.WithFilter("page assets", instrumentation.Routes("GET "+s.config.Page.Path+"assets/")))
	}
	if s.config.Page != nil {
		page, err := p.newPage(g)
		if err != nil {
			return nil, err
		}
		g.page = page
	}
	// The last that can fail: it puts the policy on record.
	mw, err := instrumentation.NewMiddleware(append(opts, s.policy.Options...)...)
	if err != nil {
		return nil, err
	}
	g.panel = g.reverseProxy()
	recorded := mw(http.HandlerFunc(g.serve))
	g.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{panel: choose(g.panels, r)}
		recorded.ServeHTTP(w, r.WithContext(withVisit(r.Context(), v)))
	})
	return g, nil
}

func (g *generation) newIdentifier(who *Identity) (identifier, error) {
	switch {
	case who.Headers != nil:
		return trustedHeaders{who.Headers}, nil
	case who.JWT != nil:
		return newTokens(who.JWT, g.metrics.tokensRefused.Inc)
	case who.Basic != nil:
		return basicName{who.Basic.Email}, nil
	default:
		return newLookup(who.Lookup, g.isForwarded, func(result string) { g.metrics.lookups.WithLabelValues(result).Inc() })
	}
}

// serve is what the middleware stands around.
func (g *generation) serve(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r)
	v.recording = instrumentation.FromContext(r.Context())
	v.complete()
	switch {
	case g.isPage(r):
		if !v.asked { // only counted, so the middleware did not ask
			v.who = g.identify(r)
		}
		g.page.ServeHTTP(w, r)
	case v.panel == nil:
		g.metrics.misdirected.Inc()
		problem(w, v.recording, http.StatusMisdirectedRequest, "There is no panel here for this host and path.")
	default:
		g.watchSignIn(v, r)
		g.panel.ServeHTTP(w, r)
	}
}

func (g *generation) isPage(r *http.Request) bool {
	return g.page != nil && (strings.HasPrefix(r.URL.Path, g.config.Page.Path) || r.URL.Path+"/" == g.config.Page.Path)
}

// sessionOf is what a session is known by: its cookies, each with its name.
func sessionOf(r *http.Request, names []string) string {
	return strings.Join(cookiesOf(r, names), "; ")
}

// retire lets go of connections that are not used. Requests under way end.
func (g *generation) retire() {
	for _, up := range g.panels {
		up.close()
	}
}
