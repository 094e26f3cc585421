package viewer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// pageData is what the templates show.
type pageData struct {
	preferences
	L     *locale
	V     *view
	Scope Scope
	Me    adminsessions.User
	Now   time.Time
	Links []Link

	locales []*locale

	Result   *result
	Sessions *sessionsResult // where sessions are shown, not requests
	End      *ending         // … or where some end
	History  *history        // … or what was done to an object
	Problem  *problem
	Online   *online
	// Count is the number of requests on all pages, nil if it is not known.
	Count *trail.Count
	// Counting is set if it is still being counted.
	Counting bool
	// Skew is how far this application's clock is ahead of Loki's, 0 if they
	// agree.
	Skew time.Duration
	// Since is when the viewer last looked before this visit, zero if that is not
	// known.
	Since time.Time
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
	// onlineWait is how long the page waits for who is online, from its
	// beginning on. After that it shows what was last known.
	onlineWait = 250 * time.Millisecond
	// progressAfter is how long a search may take before the page shows its
	// progress.
	progressAfter = 300 * time.Millisecond
	// progressStep is by how much, in thousandths, it must have come further to
	// be shown again.
	progressStep = 5
	// countWait is how long the end of the page waits for the total. Counting
	// goes on, and the next page that asks has it.
	countWait = 3 * time.Second
)

// newPage is what every page shows of who looks at it.
func (h *Handler) newPage(r *http.Request) *pageData {
	p := &pageData{preferences: h.preferences(r), Me: h.me(r), Scope: scopeOf(r.Context()),
		Now: h.config.Now(), Links: h.config.Breadcrumbs, locales: h.locales.all}
	p.L = p.locale
	return p
}

// Title is the title of the document: never a word of what it shows, but for the
// object whose history it is.
func (p *pageData) Title() string {
	title := p.L.T("title")
	switch {
	case p.End != nil:
		return p.L.T("end.title") + " – " + title
	case p.History != nil:
		return p.L.T("history.of", p.ObjectName()) + " – " + title
	case p.Sessions != nil:
		return p.L.T("tab.sessions") + " – " + title
	}
	return title
}

// Root leads from the document to the page.
func (p *pageData) Root() string {
	if p.History != nil {
		return p.History.Root
	}
	return ""
}

// Scripted reports whether the document has the script.
func (p *pageData) Scripted() bool { return p.End == nil && p.History == nil }

// refuse answers a view that can't be read.
func (h *Handler) refuse(r *http.Request, out *stream, err error) {
	p := out.p
	p.Problem = h.problem(r.Context(), p, err)
	p.V.rng = timeRange{quick: defaultRange}
	h.looked(r, "refused: %s", p.Problem.Kind)
	out.problem()
}

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) {
	p := h.newPage(r)
	v, err := h.viewOf(r, p.zone)
	p.V = &v
	if err == nil && v.values().Encode() != r.URL.Query().Encode() {
		// What a form sends has empty fields and times without a zone; what
		// stands in the address should mean the same for everybody.
		h.looked(r, "led to %s", v.describe())
		redirect(w, v.values())
		return
	}
	out := h.startPage(w, p)
	defer out.close(h.config.Logger)
	if err != nil {
		h.refuse(r, out, err)
		return
	}
	if h.onlyHead(w, r, htmlType) {
		return
	}
	if id := h.requestNamed(r.Context(), &v); id != "" {
		named := newView()
		named.event = id
		h.looked(r, "led to %s", named.describe())
		redirect(w, named.values())
		return
	}
	h.showView(r, p, out)
}

// showView shows what the view chooses, part by part.
func (h *Handler) showView(r *http.Request, p *pageData, out *stream) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	online := h.askOnline(ctx, p.Now)
	since := h.askLastLook(ctx, p)
	started := time.Now()
	res, err := h.load(ctx, p.V, p.Me, func(done float64) {
		next := int(done * 1000)
		if next >= 1000 || next < p.Progress+progressStep || time.Since(started) < progressAfter {
			return
		}
		p.Progress = next
		out.head(http.StatusOK)
		out.show("progress")
		out.flush()
	})
	key := p.V.values().Encode() + " " + p.V.filter(p.Me).Hide.ID + " " + p.V.filter(p.Me).Hide.Email
	if err == nil {
		p.Result = &res
		p.Skew = h.skew()
		h.health.note(p.Now, nil)
		h.last.store(scoped(ctx, key), res, p.Now)
		h.looked(r, "%s", p.V.describe())
		out.head(http.StatusOK)
	} else {
		p.Problem = h.problem(ctx, p, err)
		h.looked(r, "%s, not shown: %s", p.V.describe(), p.Problem.Kind)
		// An answer that does not come in time may be as far away as Loki itself:
		// a query waits in a frontend that no querier asks for work.
		away := p.Problem.Kind == string(loki.Unavailable) || p.Problem.Kind == string(loki.TooBroad)
		if last, ok := h.last.load(scoped(ctx, key)); ok && away {
			p.Result, p.Problem.Stale = &last.result, last.at
			h.looked(r, "%s, as of %s", p.V.describe(), formatInstant(last.at))
		}
		out.head(p.Problem.status)
		out.show("problem")
	}
	p.Online, p.Since = <-online, <-since
	if p.Result != nil {
		out.show("results")
		out.flush()
		if p.Count = p.Result.total; p.Count == nil && p.Problem == nil && p.Result.reached.IsZero() {
			p.Count, p.Counting = h.askCount(ctx, p)
		}
		out.show("count")
	}
	out.show("foot")
}

// skewNoticed is from which difference on the page says that clocks differ.
const skewNoticed = 5 * time.Second

// skew is how far this application's clock is ahead of Loki's, 0 for what is of
// no interest.
func (h *Handler) skew() time.Duration {
	if ahead := h.client.Skew(); ahead.Abs() >= skewNoticed {
		return -ahead
	}
	return 0
}

// askOnline asks who is online while the page is made. The channel gets exactly
// one answer, and has room for it.
func (h *Handler) askOnline(ctx context.Context, now time.Time) <-chan *online {
	answer := make(chan *online, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, onlineWait)
		defer cancel()
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
		return h.store(ctx).Online(ctx, onlineWindow(now))
	})
}

func onlineWindow(now time.Time) trail.Window {
	now = now.Truncate(time.Millisecond)
	return trail.Window{From: now.Add(-onlineWithin), To: now.Add(trail.Ahead)}
}

// askCount counts the requests on all pages of the view, nil if that fails or is
// still going on.
func (h *Handler) askCount(ctx context.Context, p *pageData) (n *trail.Count, counting bool) {
	ctx, cancel := context.WithTimeout(ctx, countWait)
	defer cancel()
	count, err := h.count(ctx, p.V, p.Me, p.Result.window)
	switch {
	case err == nil:
		return &count, false
	case errors.Is(err, ctx.Err()):
		return nil, true
	}
	h.config.Logger.WarnContext(ctx, "counting the events of a view failed; the page shows no total", "error", err)
	return nil, false
}

// problem is an error as the page shows it: without a word of Loki's.
type problem struct {
	Kind    string
	Message string
	Detail  string    // what is wrong with the address
	Since   time.Time // since when Loki is away, if it is
	Stale   time.Time // when what is shown instead was true
	status  int
}

// problem logs an error and makes of it what the viewer is told.
func (h *Handler) problem(ctx context.Context, p *pageData, err error) *problem {
	kind, status := classify(err)
	out := &problem{Kind: kind, status: status}
	if bad, ok := errors.AsType[*viewError](err); ok {
		out.Message, out.Detail = p.L.T(bad.message, bad.args...), bad.Error()
		if search, ok := errors.AsType[*query.Error](err); ok && search.Fault != query.BadValue {
			out.Detail = "" // the message has said it
		}
		return out
	}
	out.Message = p.L.T("error." + kind)
	out.Since = h.health.note(p.Now, err)
	if kind == string(loki.Canceled) {
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
	failure, ok := errors.AsType[*loki.Error](err)
	switch {
	case ok:
	case errors.Is(err, context.DeadlineExceeded):
		failure = &loki.Error{Kind: loki.TooBroad}
	case errors.Is(err, context.Canceled):
		failure = &loki.Error{Kind: loki.Canceled}
	default:
		failure = &loki.Error{Kind: loki.Misconfigured}
	}
	switch failure.Kind {
	case loki.TooBroad:
		status = http.StatusUnprocessableEntity
	case loki.Misconfigured:
		status = http.StatusBadGateway
	default:
		status = http.StatusServiceUnavailable
	}
	return string(failure.Kind), status
}
