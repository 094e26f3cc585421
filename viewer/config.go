package viewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// Config says what the page shows, to whom, and from where. Authorize is
// required; the zero value of every other field is a default.
type Config struct {
	// Loki says how to reach Grafana Loki, as it does for the exporter; what is
	// zero is read from the environment. No part of it ever reaches a browser.
	Loki adminsessions.Loki
	// Prefix is the path the handler is mounted at, as in
	// "/admin/monitoring/admin-sessions/". Empty means "/": for a handler behind
	// http.StripPrefix.
	Prefix string

	// Services and Environments limit the trail to applications with one of
	// these values of service.name and deployment.environment.name. None means
	// all that Loki holds for the tenant.
	Services, Environments []string

	// Authorize says what whoever makes the request may see of the trail. It is
	// asked before anything else, for every request; the zero Scope is answered
	// with 403. It may be called from many goroutines at once. The handler has
	// no authentication of its own: without this function NewHandler fails.
	Authorize func(*http.Request) Scope
	// SignedIn returns who makes the request, for Hide Me: requests of the
	// administrator with the same ID or the same Email are hidden from view
	// (never from the trail). nil, or a user with neither, hides the switch.
	SignedIn func(*http.Request) adminsessions.User
	// Sessions ends sessions of the panel for those whose Scope allows it. nil means
	// that the page offers nothing of the kind.
	Sessions Sessions
	// Accessed, unless nil, is called once for every request for the page, when
	// it is over, with a note that begins "looked at the trail: " and says
	// what was seen or exported. Given package instrumentation's middleware
	// around the handler, its Annotate puts that note on the record of the
	// request itself, and the page leaves such records out of its views unless
	// they are asked for.
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
	// cause. nil means slog.Default().
	Logger *slog.Logger
	// Now is the clock, for tests. nil means time.Now.
	Now func() time.Time
}

// Link is a link with its text, one step of the breadcrumbs.
type Link struct{ Text, URL string }

const (
	defaultQueryTimeout = 30 * time.Second
	defaultSortLimit    = 100_000
	maxSortLimit        = 1_000_000
)

// withDefaults checks the configuration and returns it complete, with two clients
// for its Loki: what exports ask for must not keep pages waiting for a
// connection.
func (c Config) withDefaults() (_ Config, clients [2]*loki.Client, err error) {
	var errs []error
	fail := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("viewer: Config.%s: %w", field, fmt.Errorf(format, args...)))
	}
	for i := range clients {
		if clients[i], err = loki.New(c.Loki, os.Getenv); err != nil {
			errs = append(errs, fmt.Errorf("viewer: Config: %w", err))
			break
		}
	}
	if c.Prefix == "" {
		c.Prefix = "/"
	}
	if !strings.HasPrefix(c.Prefix, "/") || !strings.HasSuffix(c.Prefix, "/") || strings.ContainsAny(c.Prefix, "{} ") {
		fail("Prefix", "%q; want a path that starts and ends with a slash", c.Prefix)
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
		return Config{}, clients, err
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
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, clients, nil
}
