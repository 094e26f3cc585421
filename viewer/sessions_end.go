package viewer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Sessions are the panel's own sessions, as far as the page ends some.
type Sessions interface {
	// End ends the sessions that which names, and returns how many there were;
	// none is no error. The context is that of the request, so what is put on its
	// record (instrumentation.SetAction, SetResource, SetReason) says what was done.
	// What has not ended because of an error is told to the viewer as such, and the
	// error goes to Config.Logger.
	End(ctx context.Context, which Ending) (int, error)
}

// Ending says which sessions are to end, and why.
type Ending struct {
	// SessionID is the session's id in the trail: a hash (instrumentation's
	// SessionHash makes the same of a session that lives). Empty means all sessions
	// of Admin.
	SessionID string
	// Admin is whose sessions. It is zero for a session that nobody was signed in
	// to.
	Admin adminsessions.User
	// Reason is why, in the words of whoever ends them: at least three characters that
	// can be seen, and at most 500 bytes.
	Reason string
}

const (
	endPath = "end-session"
	// endWithin is how far back a session is looked for that is to end, and
	// endLook at how many of its requests.
	endWithin = 30 * 24 * time.Hour
	endLook   = 200
	// minReason is how many characters that can be seen a reason has at least.
	minReason = 3
)

// mayEnd reports whether the request whose context it is may end sessions.
func (h *Handler) mayEnd(ctx context.Context) bool {
	return h.config.Sessions != nil && scopeOf(ctx).EndSessions
}

// endQuery leads to the page that asks before a session ends, or, with somebody
// who was signed in to it, before all of his do.
func endQuery(session, admin string) string {
	q := url.Values{"session": {session}}
	if admin != "" {
		q.Set("admin", admin)
	}
	return endPath + "?" + q.Encode()
}

// ending is what the page that ends sessions shows.
type ending struct {
	Session string
	Admin   string // whose all sessions are to end, empty for the session alone
	Row     sessionRow
	Reason  string
	Fault   string // what is wrong with the form, or why nothing has ended
	Done    string // what has been done
	ListURL string
}

// serveEnd asks before sessions end (GET), and ends them (POST).
func (h *Handler) serveEnd(w http.ResponseWriter, r *http.Request) {
	if !h.mayEnd(r.Context()) {
		h.writeProblem(w, r, http.StatusForbidden, "not_allowed", "you may not end sessions here")
		return
	}
	if err := h.origin.Check(r); err != nil {
		h.writeProblem(w, r, http.StatusForbidden, "cross_origin", "requests from other sites are refused")
		return
	}
	form, err := endForm(w, r)
	if err != nil {
		h.writeProblem(w, r, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	p := h.newPage(r)
	v, _ := parseSessionsView("", p.zone)
	p.V, p.Sessions = &v.view, &sessionsResult{view: &v, endable: true}
	p.End = &ending{Session: form.Get("session"), Admin: form.Get("admin"), Reason: strings.TrimSpace(form.Get("reason")), ListURL: sessionsPath}
	session, admin, err := h.findEnding(r.Context(), p.End.Session, p.End.Admin)
	if err != nil {
		h.showEndProblem(w, r, p, err)
		return
	}
	p.End.Row = p.sessionRow(&session)
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = h.end(r, p, admin)
	} else {
		h.looked(r, "asked before ending %s", endingName(p.End, admin))
	}
	h.showEnd(w, p, status)
}

// endForm is what the request asks for.
func endForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		if err := r.ParseForm(); err != nil {
			return nil, errors.New("the form can't be read")
		}
		form = r.PostForm
	}
	if form.Get("session") == "" || len(form.Get("session")) > maxText || len(form.Get("admin")) > maxText {
		return nil, errors.New("the session is missing, or too long")
	}
	return form, nil
}

// end ends what the form asks for, and returns the status of the answer. Whatever
// comes of it is recorded.
func (h *Handler) end(r *http.Request, p *pageData, admin adminsessions.User) (status int) {
	e, ctx := p.End, r.Context()
	name := endingName(e, admin)
	record := func(format string, args ...any) { h.config.Accessed(ctx, fmt.Sprintf(format, args...)) }
	if len(e.Reason) > maxText || !utf8.ValidString(e.Reason) || countLetters(e.Reason) < minReason {
		e.Fault = p.L.T("end.no_reason", p.L.Number(minReason), p.L.Number(maxText))
		record("did not end %s: no reason given", name)
		return http.StatusUnprocessableEntity
	}
	which := Ending{SessionID: e.Session, Admin: admin, Reason: e.Reason}
	if e.Admin != "" {
		which.SessionID = ""
	}
	n, err := h.config.Sessions.End(ctx, which)
	if err != nil {
		h.config.Logger.ErrorContext(ctx, "ending sessions failed", "what", name, "error", err)
		e.Fault = p.L.T("end.failed")
		record("could not end %s; reason: %s", name, e.Reason)
		return http.StatusInternalServerError
	}
	record("ended %s (%d); reason: %s", name, n, e.Reason)
	e.Done = p.L.N("end.done", int64(n))
	if n == 0 {
		e.Done = p.L.T("end.none")
	}
	return http.StatusOK
}

// endingName names what is to end, for the record.
func endingName(e *ending, admin adminsessions.User) string {
	if e.Admin != "" {
		return fmt.Sprintf("all sessions of %s", nameOf(admin))
	}
	if who := nameOf(admin); who != "" {
		return fmt.Sprintf("session %s of %s", e.Session, who)
	}
	return "session " + e.Session
}

func countLetters(s string) (n int) {
	for _, r := range s {
		if r > ' ' && r != utf8.RuneError {
			n++
		}
	}
	return n
}

// findEnding is the session of that id, as the trail has it within the scope of the
// request, and who was signed in to it: the one that is asked for, else the most
// recent. Nobody ends what he may not see.
func (h *Handler) findEnding(ctx context.Context, id, asked string) (session trail.Session, admin adminsessions.User, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.config.QueryTimeout)
	defer cancel()
	now := h.config.Now().Truncate(time.Millisecond)
	session, err = h.store(ctx).Session(ctx, id, trail.Window{From: now.Add(-endWithin), To: now.Add(trail.Ahead)}, endLook)
	if err != nil {
		return session, admin, err
	}
	if session.ID == "" {
		return session, admin, errNoSession
	}
	at := 0
	if asked != "" {
		at = slices.IndexFunc(session.Admins, func(u adminsessions.User) bool { return who(u) == asked })
	}
	switch {
	case at < 0:
		return session, admin, errNoSession
	case len(session.Admins) > 0:
		admin = session.Admins[at]
	}
	return session, admin, nil
}

// showEndProblem says why nothing can end.
func (h *Handler) showEndProblem(w http.ResponseWriter, r *http.Request, p *pageData, err error) {
	status := http.StatusNotFound
	if errors.Is(err, errNoSession) {
		p.End.Fault = p.L.T("end.unknown")
	} else {
		problem := h.problem(r.Context(), p, err)
		p.End.Fault, status = problem.Message, problem.status
		if problem.Kind == string(loki.Unavailable) {
			p.End.Fault = p.L.T("end.unavailable")
		}
	}
	h.looked(r, "refused: no session to end")
	if r.Method == http.MethodPost {
		h.config.Accessed(r.Context(), "did not end a session: it is not in the trail that may be seen, or the trail can't be read")
	}
	h.showEnd(w, p, status)
}

func (h *Handler) showEnd(w http.ResponseWriter, p *pageData, status int) {
	out := h.startPage(w, p)
	out.header(status)
	out.show("end")
	out.close(h.config.Logger)
}
