package viewer

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

// Handler is the page, see [NewHandler].
type Handler struct {
	config      Config
	client      *loki.Client
	trail       *trail.Trail
	exportTrail *trail.Trail // over connections of its own
	locales     *locales
	pages       *pages
	assets      map[string]asset
	health      health
	counts      *cache[trail.Count]
	running     *cache[running]
	online      *cache[[]trail.Presence]
	found       *cache[bool]
	values      *cache[trail.Values]
	sessions    *cache[trail.Sessions]
	last        lastViews
	visits      visits
	looks       *cache[time.Time] // when viewers looked before their visits
	exports     chan struct{}     // holds a token for each export under way
	origin      *http.CrossOriginProtection
	mux         *http.ServeMux

	writeTimeout time.Duration
}

// running are requests in progress, and whether there are more.
type running struct {
	events []trail.Event
	more   bool
}

// NewHandler returns the page for one trail. It fails on a configuration that
// cannot work, naming the field; it does not wait for Loki, which may come
// later. The handler may serve many requests at once and needs no closing: what
// it still asks Loki when a request is over ends within four times
// QueryTimeout.
func NewHandler(c Config) (*Handler, error) {
	c, clients, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	which := trail.Config{Services: c.Services, Environments: c.Environments, Now: c.Now}
	h := &Handler{
		config:      c,
		client:      clients[0],
		trail:       trail.New(clients[0], which),
		exportTrail: trail.New(clients[1], which),
		counts:      newCache[trail.Count](c.Now, 4*c.QueryTimeout),
		running:     newCache[running](c.Now, c.QueryTimeout),
		online:      newCache[[]trail.Presence](c.Now, c.QueryTimeout),
		looks:       newCache[time.Time](c.Now, c.QueryTimeout),
		found:       newCache[bool](c.Now, lookupTimeout),
		values:      newCache[trail.Values](c.Now, completeTimeout),
		sessions:    newCache[trail.Sessions](c.Now, c.QueryTimeout),
		exports:     make(chan struct{}, maxExports),
		origin:      http.NewCrossOriginProtection(),
		mux:         http.NewServeMux(),

		writeTimeout: defaultWriteTimeout,
	}
	h.values.least = completeTTL
	if h.locales, err = loadLocales(); err != nil {
		return nil, fmt.Errorf("viewer: %w", err)
	}
	if h.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("viewer: %w", err)
	}
	if h.pages, err = loadPages(h.assets); err != nil {
		return nil, fmt.Errorf("viewer: %w", err)
	}
	if c.Prefix != "/" {
		h.addPage(c.Prefix)
	}
	h.mux.HandleFunc("GET "+c.Prefix+"{$}", h.servePage)
	h.mux.HandleFunc("GET "+c.Prefix+objectPath+"{type}/{id}", h.serveObject)
	h.mux.HandleFunc("GET "+c.Prefix+sessionsPath, h.serveSessions)
	h.mux.HandleFunc("GET "+c.Prefix+"api/sessions", h.sameOrigin(h.mayExport(h.serveSessionsAPI)))
	h.mux.HandleFunc("GET "+c.Prefix+endPath, h.serveEnd)
	h.mux.HandleFunc("POST "+c.Prefix+endPath, h.serveEnd)
	h.mux.HandleFunc("POST "+c.Prefix+"settings", h.serveSettings)
	h.mux.HandleFunc("GET "+c.Prefix+"assets/{name}", h.serveAsset)
	h.mux.HandleFunc("GET "+c.Prefix+"export.csv", h.sameOrigin(h.mayExport(h.export(export.CSV()))))
	h.mux.HandleFunc("GET "+c.Prefix+"export.ndjson", h.sameOrigin(h.mayExport(h.export(export.NDJSON()))))
	h.mux.HandleFunc("GET "+c.Prefix+"api/events", h.sameOrigin(h.mayExport(h.serveEvents)))
	h.mux.HandleFunc("GET "+c.Prefix+"api/count", h.sameOrigin(h.serveCount))
	h.mux.HandleFunc("GET "+c.Prefix+"api/complete", h.sameOrigin(h.serveComplete))
	h.mux.HandleFunc("GET "+c.Prefix+"api/online", h.sameOrigin(h.serveOnline))
	return h, nil
}

// API returns the list of events as JSON (what the page itself serves under
// api/events), to be mounted at a path of the panel's own API. It asks
// Authorize like the page does.
func (h *Handler) API() http.Handler {
	return h.guard(h.sameOrigin(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			h.writeProblem(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "want GET")
			return
		}
		if h.config.Prefix != "/" {
			h.addPage(r.URL.Path) // it is known only now where this is mounted
		}
		h.mayExport(h.serveEvents)(w, r)
	}))
}

// addPage tells the trail a path of the page's.
func (h *Handler) addPage(path string) {
	h.trail.AddPage(path)
	h.exportTrail.AddPage(path)
}

// ServeHTTP serves the page and everything below it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.guard(h.mux.ServeHTTP)(w, r)
}

// guard asks whether the request may be answered, and sets the headers that
// keep every answer where it belongs.
func (h *Handler) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; "+
			"img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		r, ok := h.withScope(r)
		if !ok {
			http.Error(w, "You may not see the administrators' sessions.", http.StatusForbidden)
			return
		}
		setWriteDeadline(http.NewResponseController(w), h.partTimeout())
		h.recordLook(w, r, next)
	}
}

// sameOrigin refuses requests that another site makes the browser send. The
// page itself may be linked to from anywhere; exports and the API cost work and
// are recorded under the viewer's name, so nobody else may start them.
func (h *Handler) sameOrigin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin": // programs, the address bar, the page
			next(w, r)
		default:
			h.writeProblem(w, r, http.StatusForbidden, "cross_origin", "requests from other sites are refused")
		}
	}
}

// onlyHead answers a HEAD, for which Loki need not be asked, and reports whether
// it was one.
func (h *Handler) onlyHead(w http.ResponseWriter, r *http.Request, contentType string) bool {
	if r.Method != http.MethodHead {
		return false
	}
	h.looked(r, "headers only")
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	return true
}

// asset is a file that the page needs.
type asset struct {
	content     []byte
	contentType string
	version     string
}

//go:embed assets
var assetFiles embed.FS

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (map[string]asset, error) {
	assets := make(map[string]asset)
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("reading assets: %w", err)
	}
	for _, e := range entries {
		b, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading assets: %w", err)
		}
		sum := sha256.Sum256(b)
		assets[e.Name()] = asset{b, assetTypes[path.Ext(e.Name())], hex.EncodeToString(sum[:6])}
	}
	return assets, nil
}

// serveAsset serves a file for as long as its content stays the same: its
// version stands in its URL.
func (h *Handler) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.RawQuery == a.version {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Write(a.content) //nolint:errcheck // the client is gone
}

// redirect leads to the page with another query. The location is relative: the
// handler need not know where a browser sees it.
func redirect(w http.ResponseWriter, q url.Values) { redirectTo(w, "./", q) }

// redirectTo leads to another path of the page, with a query.
func redirectTo(w http.ResponseWriter, location string, q url.Values) {
	if len(q) > 0 {
		location += "?" + q.Encode()
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// me is who is signed in.
func (h *Handler) me(r *http.Request) adminsessions.User { return h.config.SignedIn(r) }
