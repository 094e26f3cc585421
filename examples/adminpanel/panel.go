package main

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/viewer"
)

//go:embed assets
var assetFiles embed.FS

// panel is the whole site under /admin/.
type panel struct {
	accounts *accounts
	sessions *sessions
	tokens   *tokens
	clients  *clients
	settings *settings
	team     *team
	queue    queue
	recorder *instrumentation.Recorder // of acts that are no requests
	pages    *pages
	history  func(*http.Request, adminsessions.Resource) template.HTML // of an object, from the trail
	logger   *slog.Logger
	now      func() time.Time

	mux       *http.ServeMux
	own       map[string]bool // patterns with a handler of their own
	routeList []route
	origin    *http.CrossOriginProtection
}

func newPanel(clients *clients, recorder *instrumentation.Recorder, c config, logger *slog.Logger, now func() time.Time) (*panel, error) {
	p := &panel{
		accounts:  demoAccounts(),
		sessions:  newSessions(now, c.sessionKey),
		tokens:    newTokens(now),
		clients:   clients,
		settings:  newSettings(),
		queue:     make(queue, 100),
		recorder:  recorder,
		pages:     parsePages(),
		logger:    logger,
		now:       now,
		mux:       http.NewServeMux(),
		own:       make(map[string]bool),
		routeList: parseRoutes(routesTSV),
		origin:    http.NewCrossOriginProtection(),
	}
	p.team = newTeam(p.accounts)
	for _, a := range p.accounts.byEmail {
		p.tokens.add(a, "Demo", demoToken(a.Email), "")
	}
	p.tokens.add(p.accounts.byEmail["rory@example.com"], "Billing export", demoToken("billing"), adminsessions.ActorService)
	p.tokens.add(p.accounts.byEmail["anna@example.com"], "Assistant", demoToken("assistant"), adminsessions.ActorAgent)
	p.routes()
	if err := p.mountAdminSessions(c); err != nil {
		return nil, err
	}
	p.otherRoutes()
	return p, nil
}

func (p *panel) routes() {
	p.mux.Handle("GET /{$}", http.RedirectHandler("/admin/", http.StatusFound))
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	p.mux.Handle("GET /assets/", cached(http.StripPrefix("/assets/", http.FileServerFS(assets))))

	p.mux.HandleFunc("GET /admin/login", p.signInForm)
	p.mux.HandleFunc("POST /admin/login", p.signIn)
	p.web("POST /admin/logout", p.signOut)

	p.web("GET /admin/{$}", p.dashboard)
	p.web("GET /admin/clients", p.listClients)
	p.web("POST /admin/clients", p.createClient)
	p.web("GET /admin/clients/new", p.newClient)
	p.web("GET /admin/clients/{id}", p.showClient)
	p.web("POST /admin/clients/{id}", p.updateClient)
	p.web("GET /admin/clients/{id}/edit", p.editClient)
	p.web("POST /admin/clients/{id}/suspend", p.setClientStatus(suspended))
	p.web("POST /admin/clients/{id}/unsuspend", p.setClientStatus(active))
	p.web("POST /admin/clients/{id}/delete", p.deleteClient)
	p.web("GET /admin/admins", p.showTeam)
	p.web("POST /admin/admins/{id}/role/update", p.changeTeam(setRole))
	p.web("POST /admin/admins/{id}/mfa/enable", p.changeTeam(setMFA(true)))
	p.web("POST /admin/admins/{id}/mfa/disable", p.changeTeam(setMFA(false)))
	p.web("GET /admin/settings", p.showSettings)
	p.web("POST /admin/settings", p.saveSettings)
	p.web("POST /admin/settings/tokens", p.createToken)
	p.web("POST /admin/settings/tokens/{id}/revoke", p.revokeToken)

	p.api("GET /admin/api/clients", p.apiListClients)
	p.api("POST /admin/api/clients", p.apiCreateClient)
	p.api("GET /admin/api/clients/{id}", p.apiGetClient)
	p.api("PUT /admin/api/clients/{id}", p.apiUpdateClient)
	p.api("DELETE /admin/api/clients/{id}", p.apiDeleteClient)
	p.api("POST /admin/api/assistant/{tool}/run", p.runTool)
}

// Where the page of Admin Sessions is, and the same list as JSON.
const (
	adminSessionsPath = "/admin/monitoring/admin-sessions/"
	adminSessionsAPI  = "/admin/api/admin_session_logs"
)

// mountAdminSessions puts the page of package viewer behind the panel's own
// sign-in.
func (p *panel) mountAdminSessions(c config) error {
	page, err := viewer.NewHandler(viewer.Config{
		Loki:        c.loki,
		Prefix:      adminSessionsPath,
		Authorize:   func(r *http.Request) viewer.Scope { return accountOf(r).scope() },
		Sessions:    p.sessions,
		SignedIn:    func(r *http.Request) adminsessions.User { return accountOf(r).user() },
		Accessed:    note,
		Breadcrumbs: []viewer.Link{{Text: "Dashboard", URL: "/admin/"}, {Text: "Monitoring", URL: "/admin/monitoring"}},
		Logger:      p.logger,
		Now:         p.now,
	})
	if err != nil {
		return err
	}
	p.history = page.ObjectHistory
	there := http.RedirectHandler(adminSessionsPath, http.StatusFound)
	p.web(adminSessionsPath, page.ServeHTTP)
	p.web("GET /admin/monitoring", there.ServeHTTP)
	p.web("GET /admin/admin_session_logs", there.ServeHTTP)
	p.api("GET "+adminSessionsAPI, page.API().ServeHTTP)
	return nil
}

// ServeHTTP finds out who asks, then lets the routes answer. What no route
// matches gets a page, or JSON, that says so.
func (p *panel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	securityHeaders(w.Header())
	who, token, signIn := p.identify(r)
	known := r.WithContext(context.WithValue(r.Context(), accountKey{}, who))
	if who != nil {
		instrumentation.SetAdmin(r.Context(), who.user())
		instrumentation.SetActor(r.Context(), who.actor(token))
	}
	if signIn.failed {
		signIn.record(r.Context())
	}

	if err := p.origin.Check(r); err != nil {
		p.fail(w, known, http.StatusForbidden)
		return
	}
	handler, pattern := p.mux.Handler(known)
	if pattern == "" {
		answer := &headersOnly{header: w.Header()}
		handler.ServeHTTP(answer, known)
		p.fail(w, known, answer.status)
		return
	}
	p.mux.ServeHTTP(w, known)
	// The mux names the route on the copy; whoever called us holds the original.
	r.Pattern = known.Pattern
}

type accountKey struct{}

// accountOf is who a request is from, nil if nobody is signed in.
func accountOf(r *http.Request) *account {
	who, _ := r.Context().Value(accountKey{}).(*account)
	return who
}

// attempt is a try to sign in.
type attempt struct {
	name   string // as typed
	failed bool
}

// identify finds whom a request's cookie, password or token belongs to, and
// which token.
func (p *panel) identify(r *http.Request) (*account, *token, attempt) {
	if isAPI(r) {
		if email, password, ok := r.BasicAuth(); ok {
			who := p.accounts.check(email, password)
			return who, nil, attempt{name: email, failed: who == nil}
		}
		if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			if found := p.tokens.find(secret); found != nil {
				return found.Owner, found, attempt{}
			}
			return nil, nil, attempt{name: "bearer token", failed: true}
		}
	}
	return p.browsing(r), nil, attempt{}
}

// browsing is who a browser's request is from, nil if nobody is signed in there.
func (p *panel) browsing(r *http.Request) *account {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	return p.sessions.account(cookie.Value)
}

// known tells the middleware who sends a page's request before it is handled, so
// that one that is refused for want of a reason is on record with who has sent it.
func (p *panel) known(r *http.Request) adminsessions.User {
	if isAPI(r) {
		return adminsessions.User{} // is told once it is found out
	}
	return p.browsing(r).user()
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/admin/api/") }

// web registers a page for those who are signed in; others are sent to the
// sign-in form and come back after it.
func (p *panel) web(pattern string, handle http.HandlerFunc) {
	p.own[pattern] = true
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if accountOf(r) == nil {
			http.Redirect(w, r, signInPath(r), http.StatusSeeOther)
			return
		}
		handle(w, r)
	})
}

// api registers a JSON handler for those who show who they are.
func (p *panel) api(pattern string, handle http.HandlerFunc) {
	p.own[pattern] = true
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if accountOf(r) == nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="admin panel", charset="UTF-8"`)
			p.fail(w, r, http.StatusUnauthorized)
			return
		}
		handle(w, r)
	})
}

// securityHeaders keeps the pages to themselves.
func securityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// cached lets browsers keep an asset for a while.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		next.ServeHTTP(w, r)
	})
}

// headersOnly takes the status and the headers of the mux's own answers (not
// found, method not allowed with its Allow header) and drops their text.
type headersOnly struct {
	header http.Header
	status int
}

func (h *headersOnly) Header() http.Header         { return h.header }
func (h *headersOnly) WriteHeader(status int)      { h.status = status }
func (h *headersOnly) Write(b []byte) (int, error) { return len(b), nil }
