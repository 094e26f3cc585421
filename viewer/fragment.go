package viewer

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

const (
	// fragmentSize is how many acts a fragment shows, and fragmentDays how many days
	// it goes back.
	fragmentSize = 10
	fragmentDays = 30
	// fragmentWait is how long a page of the panel waits for one.
	fragmentWait = time.Second
)

// ObjectHistory is what was last done to an object, as HTML for a page of the panel
// itself, such as the one of client 7731: at most ten acts of the last 30 days,
// with who did them and what they changed, and a link to the rest. r is the request for that page: it is
// Authorize's to say what may be seen, and to whom nothing may be shown the
// fragment is empty. Config.Prefix must be set.
//
// It has no script and no style of its own, but links to a style sheet of the
// handler's, and everything in it has classes that begin with "adminsessions". The
// page waits a second for it at most, which a long trail takes; what cannot be had
// until then is left out, with a note that says so.
func (h *Handler) ObjectHistory(r *http.Request, object adminsessions.Resource) template.HTML {
	r, ok := h.withScope(r)
	if !ok || objectURL(object) == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(fragmentWait, h.config.QueryTimeout))
	defer cancel()
	p := h.newPage(r)
	v := newView()
	p.V = &v
	found, err := h.loadHistory(ctx, object, trail.Cursor{}, fragmentDays*24*time.Hour, fragmentSize)
	what := "history of " + object.Type + " " + object.ID
	if err != nil {
		p.Problem = h.problem(r.Context(), p, err)
		found = &history{Object: object}
		what += ", not shown: " + p.Problem.Kind
	}
	found.Root = h.config.Prefix
	p.History = found
	h.config.Accessed(r.Context(), trail.LookNote+what)
	var out bytes.Buffer
	if err := h.pages.t.ExecuteTemplate(&out, "fragment.html", p); err != nil {
		h.config.Logger.ErrorContext(r.Context(), "making the history of an object failed; the page does without", "error", err)
		return ""
	}
	return template.HTML(out.String()) //nolint:gosec // a template has escaped everything in it
}

// LastDays says how far back a fragment goes.
func (p *pageData) LastDays() string { return p.L.T("history.days", p.L.Number(fragmentDays)) }

// HistoryHref leads from a page of the panel to the whole history.
func (p *pageData) HistoryHref() string { return p.History.Root + objectURL(p.History.Object) }
