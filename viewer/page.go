package viewer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// pageData is what the templates show.
type pageData struct {
	preferences
	L     *locale
	V     *view
	Me    adminsessions.User
	Now   time.Time
	Links []Link

	locales []*locale

	Result  *result
	Problem *problem
	Online  *online
	// Count is the number of events on all pages, -1 if it is not known.
	Count int64
	// Counting is set if it is still being counted.
	Counting bool
	// Progress is the part done of a search, 0 to 1000.
	Progress int
}

// online is who was active in the last hour; unknown if Loki did not say.
type online struct {
	Known bool
	Who   []trail.Presence
}

const (
	onlineWithin = time.Hour
	// onlineWait is how long the page waits for who is online once it has
	// everything else.
	onlineWait = time.Second
	// quiet is how long a search may take before the page shows its progress.
	quiet = 300 * time.Millisecond
	// progressStep is by how much, in thousandths, it must have come further to
	// be shown again.
	progressStep = 5
	// countWait is how long the end of the page waits for the total. Counting
	// goes on, and the next page that asks has it.
	countWait = 3 * time.Second
)

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) {
	if h.choose(w, r) {
		return
	}
	p := &pageData{preferences: h.preferences(r), Me: h.me(r), Now: h.config.Now(), Links: h.config.Breadcrumbs,
		locales: h.locales.all, Count: -1}
	p.L = p.locale
	q := r.URL.Query()
	v, err := parseView(q, p.zone)
	p.V = &v
	if err == nil && v.values().Encode() != q.Encode() {
		// What a form sends has empty fields and times without a zone; what
		// stands in the address should mean the same for everybody.
		redirect(w, v.values())
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := h.pages.start(w, p)
	defer out.close(h.config.Logger)

	if err != nil {
		p.Problem = h.problem(ctx, p, err)
		p.V.rng = timeRange{quick: defaultRange}
		out.head(http.StatusBadRequest)
		out.show("problem")
		out.show("foot")
		return
	}
	online := h.askOnline(ctx, p.Now)
	started := time.Now()
	res, err := h.load(ctx, p.V, p.Me, func(done float64) {
		next := int(done * 1000)
		if next >= 1000 || next < p.Progress+progressStep || time.Since(started) < quiet {
			return
		}
		p.Progress = next
		out.head(http.StatusOK)
		out.show("progress")
		out.flush()
	})
	key := v.values().Encode() + " " + v.filter(p.Me).Hide.ID + " " + v.filter(p.Me).Hide.Email
	if err == nil {
		p.Result = &res
		h.health.note(p.Now, nil)
		h.last.store(key, res, p.Now)
		h.config.Accessed(r.Context(), "viewed the admin sessions: "+v.describe())
		out.head(http.StatusOK)
	} else {
		p.Problem = h.problem(ctx, p, err)
		if last, ok := h.last.load(key); ok && p.Problem.Kind == string(trail.Unavailable) {
			p.Result, p.Problem.Stale = &last.result, last.at
		}
		out.head(p.Problem.status)
		out.show("problem")
	}
	select {
	case p.Online = <-online:
	case <-time.After(onlineWait):
	case <-ctx.Done():
	}
	if p.Result != nil {
		out.show("results")
		out.flush()
		if p.Count = p.Result.total; p.Count < 0 && p.Problem == nil && p.Result.reached.IsZero() {
			p.Count, p.Counting = h.askCount(ctx, p)
		}
		out.show("count")
	}
	out.show("foot")
}

// askOnline asks who is online while the page is made. The channel gets exactly
// one answer; it has room for it, so the goroutine ends with ctx.
func (h *Handler) askOnline(ctx context.Context, now time.Time) <-chan *online {
	answer := make(chan *online, 1)
	go func() {
		who, err := h.whoIsOnline(ctx, now)
		if err != nil && ctx.Err() == nil {
			h.config.Logger.WarnContext(ctx, "asking who is online failed; the page does without", "error", err)
		}
		answer <- &online{Known: err == nil, Who: who}
	}()
	return answer
}

func (h *Handler) whoIsOnline(ctx context.Context, now time.Time) ([]trail.Presence, error) {
	return h.online.get(ctx, "", func(ctx context.Context) ([]trail.Presence, error) {
		return h.store.Online(ctx, onlineWindow(now))
	})
}

func onlineWindow(now time.Time) trail.Window {
	to := now.Truncate(time.Millisecond)
	return trail.Window{From: to.Add(-onlineWithin), To: to}
}

// askCount counts the events on all pages of the view, -1 if that fails or is
// still going on.
func (h *Handler) askCount(ctx context.Context, p *pageData) (n int64, counting bool) {
	ctx, cancel := context.WithTimeout(ctx, countWait)
	defer cancel()
	n, err := h.count(ctx, p.V, p.Me, p.Result.window)
	switch {
	case err == nil:
		return n, false
	case errors.Is(err, ctx.Err()):
		return -1, true
	}
	h.config.Logger.WarnContext(ctx, "counting the events of a view failed; the page shows no total", "error", err)
	return -1, false
}

// problem is an error as the page shows it: without a word of Loki's.
type problem struct {
	Kind    string
	Message string
	Since   time.Time // since when Loki is away, if it is
	Stale   time.Time // when what is shown instead was true
	status  int
}

// problem logs an error and makes of it what the viewer is told.
func (h *Handler) problem(ctx context.Context, p *pageData, err error) *problem {
	kind, status := classify(err)
	out := &problem{Kind: kind, status: status}
	if bad, ok := errors.AsType[*viewError](err); ok {
		out.Message = p.L.T(bad.message)
		return out
	}
	out.Message = p.L.T("error." + kind)
	out.Since = h.health.note(p.Now, err)
	if kind == string(trail.Canceled) {
		return out
	}
	h.config.Logger.WarnContext(ctx, "showing the admin sessions failed", "kind", kind, "error", err)
	return out
}

// classify names the kind of an error and the status that it is answered with.
func classify(err error) (kind string, status int) {
	if _, ok := errors.AsType[*viewError](err); ok {
		return "bad_request", http.StatusBadRequest
	}
	failure, ok := errors.AsType[*trail.Error](err)
	switch {
	case ok:
	case errors.Is(err, context.DeadlineExceeded):
		failure = &trail.Error{Kind: trail.TooBroad}
	case errors.Is(err, context.Canceled):
		failure = &trail.Error{Kind: trail.Canceled}
	default:
		failure = &trail.Error{Kind: trail.Misconfigured}
	}
	switch failure.Kind {
	case trail.TooBroad:
		status = http.StatusUnprocessableEntity
	case trail.Misconfigured:
		status = http.StatusBadGateway
	default:
		status = http.StatusServiceUnavailable
	}
	return string(failure.Kind), status
}

// describe says what the view shows, for the record of who looked at what.
func (v *view) describe() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if v.rng.isCustom() {
		from, to := "the beginning", "now"
		if !v.rng.from.IsZero() {
			from = formatInstant(v.rng.from)
		}
		if !v.rng.to.IsZero() {
			to = formatInstant(v.rng.to)
		}
		add("from %s to %s", from, to)
	} else {
		add("last %s", v.rng.quick)
	}
	if v.search != "" {
		add("search %q", v.search)
	}
	if v.user != "" {
		add("admin %q", v.user)
	}
	if v.address != "" {
		add("IP address %q", v.address)
	}
	if v.session != "" {
		add("session %q", v.session)
	}
	if len(v.interfaces) > 0 {
		add("type %s", joined(v.interfaces))
	}
	if len(v.methods) > 0 {
		add("method %s", strings.Join(v.methods, " or "))
	}
	if len(v.classes) > 0 {
		names := make([]string, len(v.classes))
		for i, c := range v.classes {
			names[i] = className(c)
		}
		add("status %s", strings.Join(names, " or "))
	}
	if v.hideMe {
		add("own requests hidden")
	}
	if v.sort != byTime {
		add("sorted by %s", v.sort)
	}
	if v.page > 1 {
		add("page %d", v.page)
	}
	return strings.Join(parts, ", ")
}

func joined(s []adminsessions.Type) string {
	words := make([]string, len(s))
	for i, v := range s {
		words[i] = string(v)
	}
	return strings.Join(words, " or ")
}

// chip is an active filter that can be removed.
type chip struct{ Text, URL string }

// Chips are the active filters.
func (p *pageData) Chips() []chip {
	var chips []chip
	add := func(text string, change func(*view)) {
		v := p.V.first()
		change(&v)
		chips = append(chips, chip{text, v.url()})
	}
	v, l := p.V, p.L
	if v.search != "" {
		add(l.T("chip.search", v.search), func(v *view) { v.search = "" })
	}
	for _, i := range v.interfaces {
		add(l.T("chip.type", strings.ToUpper(string(i))), func(v *view) { v.interfaces = without(v.interfaces, i) })
	}
	for _, m := range v.methods {
		add(l.T("chip.method", m), func(v *view) { v.methods = without(v.methods, m) })
	}
	for _, c := range v.classes {
		add(l.T("chip.status", className(c)), func(v *view) { v.classes = without(v.classes, c) })
	}
	if v.user != "" {
		add(l.T("chip.admin", v.user), func(v *view) { v.user = "" })
	}
	if v.address != "" {
		add(l.T("chip.ip", v.address), func(v *view) { v.address = "" })
	}
	if v.session != "" {
		add(l.T("chip.session", v.session), func(v *view) { v.session = "" })
	}
	if v.hideMe {
		add(l.T("chip.hide_me"), func(v *view) { v.hideMe = false })
	}
	return chips
}

func without[T comparable](s []T, v T) []T {
	return slices.DeleteFunc(slices.Clone(s), func(x T) bool { return x == v })
}

// ClearURL is the view without any filter.
func (p *pageData) ClearURL() string {
	v := p.V.first()
	return (&view{rng: v.rng, sort: v.sort, asc: v.asc, size: v.size, auto: v.auto, every: v.every, page: 1}).url()
}

// only is the view with one more filter.
func (p *pageData) only(change func(*view)) string {
	v := p.V.first()
	change(&v)
	return v.url()
}

// who is the value by which an event's administrator is filtered.
func who(e *trail.Event) string {
	return cmp.Or(e.Get(adminsessions.KeyUserEmail), e.Get(adminsessions.KeyUserID))
}
