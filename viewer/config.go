package viewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Config says what the page shows, to whom, and from where. LokiURL and
// Authorize are required; the zero value of every other field is a default.
type Config struct {
	// LokiURL is the base URL of Grafana Loki, without /loki/api, for example
	// "http://127.0.0.1:3100". A user name and password in it are used for basic
	// authentication. No part of it ever reaches a browser.
	LokiURL string
	// Prefix is the path the handler is mounted at, as in
	// "/admin/monitoring/admin-sessions/". Empty means "/": for a handler behind
	// http.StripPrefix.
	Prefix string
	// TenantID is sent to Loki as X-Scope-OrgID, unless empty.
	TenantID string
	// BearerToken is sent to Loki as authorization, unless empty. It excludes a
	// user name in LokiURL.
	BearerToken string
	// HTTPClient makes the requests to Loki: for TLS, proxies and other
	// authentication. nil means a client of the handler's own that keeps at
	// most 16 connections.
	HTTPClient *http.Client

	// Services and Environments limit the trail to applications with one of
	// these values of service.name and deployment.environment.name. None means
	// all that Loki holds for the tenant.
	Services, Environments []string

	// LinesSince says since when every application of the trail has stored
	// its events' lines once more (exporter.WithLines), for searches over long
	// ranges that are several times as fast. It is the time at which the last
	// process that did not store them had ended, or later: an event at or after
	// it that has no line is not found by a search. Later is always safe. It
	// must be known, not guessed, and left zero (the default, lines are not
	// used) while one application does not store lines, ships by other means
	// than package exporter, or records events with another body than the
	// sentence of adminsessions.Event.
	LinesSince time.Time

	// Authorize reports whether whoever makes the request may see the trail.
	// It is asked before anything else, for every request; false is answered
	// with 403. It may be called from many goroutines at once. The handler has
	// no authentication of its own: without this function NewHandler fails.
	Authorize func(*http.Request) bool
	// SignedIn returns who makes the request, for Hide Me: requests of the
	// administrator with the same ID or the same Email are hidden from view
	// (never from the trail). nil, or a user with neither, hides the switch.
	SignedIn func(*http.Request) adminsessions.User
	// Accessed, unless nil, is called once for every look at the trail, when it
	// is over, with a sentence that says what was seen or exported. Given
	// package instrumentation's middleware around the handler, its Annotate
	// puts that sentence on the record of the request itself.
	Accessed func(ctx context.Context, note string)

	// Breadcrumbs lead to the page, for example Dashboard, Monitoring. They
	// are shown before its own name.
	Breadcrumbs []Link

	// QueryTimeout is how long a search and, after it, counting may take: 30 s
	// each by default. What a search has found until then is shown, with a link
	// to search on. Exports take as long as they take.
	QueryTimeout time.Duration
	// SortLimit is how many events are looked at to sort by another column
	// than time: 100,000 by default, at most 1,000,000. Of a result with more,
	// the newest so many are sorted, and the page says so. Memory does not
	// grow with it, time does: about 3 s for 100,000 events.
	SortLimit int

	// Logger gets what operators need to know: every failed query, with its
	// cause. nil discards it.
	Logger *slog.Logger
	// Now is the clock, for tests. nil means time.Now.
	Now func() time.Time
}

// Link is a link with its text.
type Link struct{ Text, URL string }

const (
	defaultQueryTimeout = 30 * time.Second
	defaultSortLimit    = 100_000
	maxSortLimit        = 1_000_000
)

// withDefaults checks the configuration and returns it complete, with the Loki
// client it describes.
func (c Config) withDefaults() (Config, *trail.Client, error) {
	var errs []error
	fail := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("viewer: Config.%s: %w", field, fmt.Errorf(format, args...)))
	}
	client := c.client(fail)
	if c.Prefix == "" {
		c.Prefix = "/"
	}
	if !strings.HasPrefix(c.Prefix, "/") || !strings.HasSuffix(c.Prefix, "/") || strings.ContainsAny(c.Prefix, "{} ") {
		fail("Prefix", "%q; want a path that starts and ends with a slash", c.Prefix)
	}
	if y := c.LinesSince.UTC().Year(); !c.LinesSince.IsZero() && (y < 2000 || y > 2200) {
		fail("LinesSince", "%v; want the time since when all applications store lines, or the zero time", c.LinesSince)
	}
	if c.Authorize == nil {
		fail("Authorize", "missing; the page has no authentication of its own, "+
			"so it must be told who may see the trail")
	}
	if c.QueryTimeout < 0 {
		fail("QueryTimeout", "%v; want a positive duration, or 0 for %v", c.QueryTimeout, defaultQueryTimeout)
	}
	if c.SortLimit < 0 || c.SortLimit > maxSortLimit {
		fail("SortLimit", "%d; want 1 to %d, or 0 for %d", c.SortLimit, maxSortLimit, defaultSortLimit)
	}
	for i, l := range c.Breadcrumbs {
		if l.Text == "" {
			fail("Breadcrumbs", "entry %d has no text", i)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, nil, err
	}
	if c.QueryTimeout == 0 {
		c.QueryTimeout = defaultQueryTimeout
	}
	if c.SortLimit == 0 {
		c.SortLimit = defaultSortLimit
	}
	if c.SignedIn == nil {
		c.SignedIn = func(*http.Request) adminsessions.User { return adminsessions.User{} }
	}
	if c.Accessed == nil {
		c.Accessed = func(context.Context, string) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if client.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxConnsPerHost = 16
		client.HTTP = &http.Client{Transport: transport}
	}
	return c, client, nil
}

// client is what asks Loki. It calls fail for each field that is wrong.
func (c Config) client(fail func(field, format string, args ...any)) *trail.Client {
	client := &trail.Client{Tenant: c.TenantID, BearerToken: c.BearerToken, HTTP: c.HTTPClient}
	switch u, err := url.Parse(c.LokiURL); {
	case c.LokiURL == "":
		fail("LokiURL", "missing; want the base URL of Loki, such as http://127.0.0.1:3100")
	case err != nil:
		fail("LokiURL", "not a URL") // the parser's words would repeat a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		fail("LokiURL", "want http://host:port or https://host:port")
	case u.RawQuery != "" || u.Fragment != "":
		fail("LokiURL", "has a query or a fragment; want the base URL of Loki")
	case strings.Contains(u.Path, "/loki/api"):
		fail("LokiURL", "path %q; want the base URL of Loki, without /loki/api", u.Path)
	default:
		client.Username = u.User.Username()
		client.Password, _ = u.User.Password()
		u.User = nil
		client.URL = u
		if client.Username != "" && c.BearerToken != "" {
			fail("BearerToken", "LokiURL has a user name as well; want one of the two")
		}
	}
	return client
}
