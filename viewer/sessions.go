package viewer

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

// sessionsPath is where the list of sessions is, below the page.
const sessionsPath = "sessions"

// sessionOrders compares sessions by each column that orders them.
var sessionOrders = map[string]func(a, b *trail.Session) int{
	"last":     func(a, b *trail.Session) int { return a.Last.Compare(b.Last) },
	"first":    func(a, b *trail.Session) int { return a.First.Compare(b.First) },
	"requests": func(a, b *trail.Session) int { return cmp.Compare(a.Requests, b.Requests) },
	"admin": func(a, b *trail.Session) int {
		return cmp.Compare(strings.ToLower(adminsOf(a)), strings.ToLower(adminsOf(b)))
	},
	"ip": func(a, b *trail.Session) int {
		return cmp.Compare(strings.Join(a.Addresses, " "), strings.Join(b.Addresses, " "))
	},
}

// sessionColumns are the columns of the list that order it, as they stand in it.
var sessionColumns = []string{"admin", "ip", "first", "last", "requests"}

func adminsOf(s *trail.Session) string {
	var names []string
	for _, u := range s.Admins {
		names = append(names, nameOf(u))
	}
	return strings.Join(names, ", ")
}

// sessionsView is what a URL of the list of sessions says: a view of requests,
// whose sessions are listed, and an order of its own.
type sessionsView struct {
	view
	column string
	asc    bool
}

func parseSessionsView(rawQuery string, zone *time.Location) (sessionsView, error) {
	v := sessionsView{column: "last"}
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		v.view, err = parseView(rawQuery, zone) // says what is wrong with it
		return v, err
	}
	orders := q["sort"]
	q.Del("sort")
	if v.view, err = parseView(q.Encode(), zone); err != nil {
		return v, err
	}
	r := viewReader{q: url.Values{"sort": orders}}
	r.names()
	if len(orders) > 0 && orders[0] != "" {
		name, desc := strings.CutPrefix(orders[0], "-")
		if sessionOrders[name] == nil {
			r.fail("sort", "error.bad_filter", "%.20q, want one of %s, with - before it for descending", orders[0], strings.Join(sessionColumns, ", "))
		} else {
			v.column, v.asc = name, !desc
		}
	}
	if !v.past.IsZero() {
		r.fail("past", "error.bad_cursor", "sessions have pages by number alone")
	}
	if r.bad != nil {
		return v, r.bad
	}
	return v, nil
}

// values is the view as a URL's query, without what is the default.
func (v *sessionsView) values() url.Values {
	q := v.view.values()
	if s := v.sortParam(); s != "" {
		q.Set("sort", s)
	}
	return q
}

// sortParam is the order as it stands in the URL, empty for the default.
func (v *sessionsView) sortParam() string {
	switch {
	case v.asc:
		return v.column
	case v.column == "last":
		return ""
	}
	return "-" + v.column
}

// sessionsResult is what the list shows.
type sessionsResult struct {
	view   *sessionsView
	all    int
	shown  []trail.Session
	window trail.Window
	// reached, unless zero, is how far back was looked.
	reached time.Time
	// endable says that there are links to end sessions.
	endable bool
}

// loadSessions finds the sessions of the requests that the view chooses. The answer
// is shared by all who may see the same.
func (h *Handler) loadSessions(ctx context.Context, v *sessionsView, me adminsessions.User) (*sessionsResult, error) {
	ctx, cancel := context.WithTimeout(ctx, h.config.QueryTimeout)
	defer cancel()
	window := v.rng.window(v.now(h.config.Now).Truncate(time.Millisecond))
	known, err := h.sessions.get(ctx, v.filterKey(me), func(ctx context.Context) (trail.Sessions, error) {
		return h.store(ctx).Sessions(ctx, v.filter(me), window)
	})
	if err != nil {
		return nil, err
	}
	list := slices.Clone(known.List)
	compare := sessionOrders[v.column]
	slices.SortStableFunc(list, func(a, b trail.Session) int {
		if v.asc {
			return compare(&a, &b)
		}
		return compare(&b, &a)
	})
	first := min((v.page-1)*v.size, len(list))
	return &sessionsResult{view: v, all: len(list), shown: list[first:min(first+v.size, len(list))], window: window, reached: known.Reached,
		endable: h.mayEnd(ctx)}, nil
}

// serveSessions is the list of sessions.
func (h *Handler) serveSessions(w http.ResponseWriter, r *http.Request) {
	p := h.newPage(r)
	v, err := parseSessionsView(r.URL.RawQuery, p.zone)
	p.V, p.Sessions = &v.view, &sessionsResult{view: &v}
	if err == nil && v.values().Encode() != r.URL.Query().Encode() {
		h.looked(r, "led to the sessions, %s", v.describe())
		redirectTo(w, sessionsPath, v.values())
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
	found, err := h.loadSessions(r.Context(), &v, p.Me)
	if err != nil {
		p.Problem = h.problem(r.Context(), p, err)
		h.looked(r, "sessions, %s, not shown: %s", v.describe(), p.Problem.Kind)
		out.problem()
		return
	}
	h.health.note(p.Now, nil)
	h.looked(r, "sessions, %s", v.describe())
	p.Sessions = found
	out.head(http.StatusOK)
	out.show("sessions")
	out.show("foot")
}

// serveSessionsAPI is GET api/sessions: the sessions as JSON, one page of them.
func (h *Handler) serveSessionsAPI(w http.ResponseWriter, r *http.Request) {
	v, err := parseSessionsView(r.URL.RawQuery, time.UTC)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	if h.onlyHead(w, r, "application/json") {
		return
	}
	found, err := h.loadSessions(r.Context(), &v, h.me(r))
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	answer := struct {
		Window   apiWindow        `json:"window"`
		Sessions []export.Session `json:"sessions"`
		All      int              `json:"all"`
		// Reached is how far back was looked, if that is not the whole window.
		Reached *time.Time `json:"reached,omitempty"`
	}{Window: apiWindow{found.window.From.UTC(), found.window.To.UTC()}, Sessions: export.Sessions(found.shown), All: found.all}
	if !found.reached.IsZero() {
		t := found.reached.UTC()
		answer.Reached = &t
	}
	h.looked(r, "read %d sessions by the API: %s", len(found.shown), v.describe())
	writeJSON(w, answer)
}

// errNoSession is that what somebody wants to end is not there, or not for him to
// see.
var errNoSession = errors.New("there is no such session")
