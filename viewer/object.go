package viewer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

const (
	// objectPath is where the histories of objects are, below the page.
	objectPath = "object/"
	// objectWithin is how far back they go, and objectSize how many acts a page of
	// one has.
	objectWithin = 400 * 24 * time.Hour
	objectSize   = 50
)

// readingVerbs are acts by which nothing has happened to an object.
var readingVerbs = []string{"view", "list", "select"}

// history is what was done to an object, the newest first.
type history struct {
	Object adminsessions.Resource // with the newest name that is known
	acts   []trail.Event
	// next, unless zero, is where more begins. If OutOfTime, nobody knows whether
	// there is more.
	next      trail.Cursor
	OutOfTime bool

	// What the templates show besides.
	Root string // leads from the history to the page
	past bool   // it is not the newest part
}

// objectURL leads from the page to the history of an object; empty if it has no
// place of its own.
func objectURL(object adminsessions.Resource) string {
	if object.Type == "" || object.ID == "" || strings.Trim(object.Type, ".") == "" || strings.Trim(object.ID, ".") == "" {
		return "" // a path of dots leads elsewhere
	}
	return objectPath + url.PathEscape(object.Type) + "/" + url.PathEscape(object.ID)
}

// loadHistory finds the newest acts on an object past a place of the trail, n at
// most and no older than within, in the scope and the time of ctx.
func (h *Handler) loadHistory(ctx context.Context, object adminsessions.Resource, past trail.Cursor, within time.Duration, n int) (*history, error) {
	now := h.config.Now().Truncate(time.Millisecond)
	found := &history{Object: object, past: !past.IsZero()}
	var reached trail.Cursor
	walk := trail.Walk{
		Filter: trail.Filter{
			Only:  trail.Conditions{Resources: []adminsessions.Resource{{Type: object.Type, ID: object.ID}}},
			Not:   trail.Conditions{Actions: readingVerbs},
			Looks: true,
		},
		Window:   trail.Window{From: now.Add(-within), To: now.Add(trail.Ahead)},
		Past:     past,
		Batch:    n + 1 + spareEntries,
		Progress: func(_ float64, place trail.Cursor) { reached = place },
	}
	for e, err := range h.store(ctx).Walk(ctx, walk) {
		switch {
		case trail.OutOfTime(ctx, err) && !reached.IsZero():
			found.next, found.OutOfTime = reached, true
			return found, nil
		case err != nil:
			return nil, err
		case strings.HasSuffix(e.Action, "_form"): // the page with the form for an act
			continue
		case len(found.acts) == n:
			found.next = found.acts[n-1].Cursor()
			return found, nil
		}
		if found.Object.Name == "" {
			found.Object.Name = e.Resource.Name
		}
		found.acts = append(found.acts, e)
	}
	return found, nil
}

// serveObject is the history of one object.
func (h *Handler) serveObject(w http.ResponseWriter, r *http.Request) {
	p := h.newPage(r)
	v := newView()
	p.V = &v
	object := adminsessions.Resource{Type: r.PathValue("type"), ID: r.PathValue("id")}
	past, err := historyPlace(r)
	if err == nil && (len(object.Type) > maxText || len(object.ID) > maxText) {
		err = &viewError{field: "object", message: "error.text_too_long", err: errors.New("want at most 500 bytes")}
	}
	p.History = &history{Object: object}
	status := http.StatusOK
	if err != nil {
		p.Problem = h.problem(r.Context(), p, err)
		status = http.StatusBadRequest
	} else {
		if h.onlyHead(w, r, htmlType) {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), h.config.QueryTimeout)
		defer cancel()
		found, err := h.loadHistory(ctx, object, past, objectWithin, objectSize)
		if err != nil {
			p.Problem = h.problem(r.Context(), p, err)
			status = p.Problem.status
		} else {
			h.health.note(p.Now, nil)
			p.History = found
		}
	}
	p.History.Root = "../../"
	if p.Problem != nil {
		h.looked(r, "history of %s %q, not shown: %s", object.Type, object.ID, p.Problem.Kind)
	} else {
		h.looked(r, "history of %s %q", object.Type, object.ID)
	}
	out := h.startPage(w, p)
	out.header(status)
	out.show("object")
	out.close(h.config.Logger)
}

// historyPlace reads where in the trail a page of a history begins.
func historyPlace(r *http.Request) (past trail.Cursor, err error) {
	reader := viewReader{q: r.URL.Query()}
	for name := range reader.q {
		if name != "past" {
			reader.fail(name, "error.unknown_parameter", "not known")
		}
	}
	reader.names()
	if s := reader.q.Get("past"); s != "" {
		if past, err = trail.ParseCursor(s); err != nil {
			reader.fail("past", "error.bad_cursor", "%w", err)
		}
	}
	if reader.bad != nil {
		return past, reader.bad
	}
	return past, nil
}

// The methods of this file below are what the templates ask for of a history.

// Acts are its rows.
func (p *pageData) Acts() []*row {
	rows := make([]*row, len(p.History.acts))
	for i := range p.History.acts {
		rows[i] = p.row(&p.History.acts[i])
	}
	return rows
}

// ObjectName names the object: client 7731.
func (p *pageData) ObjectName() string {
	return strings.TrimSpace(singular(words(p.History.Object.Type)) + " " + p.History.Object.ID)
}

// OlderActs leads to what was before; empty if there is no more.
func (p *pageData) OlderActs() string {
	if p.History.next.IsZero() {
		return ""
	}
	return "?" + url.Values{"past": {p.History.next.String()}}.Encode()
}

// NewestActs leads back to the newest acts; empty if those are shown.
func (p *pageData) NewestActs() string {
	if !p.History.past {
		return ""
	}
	return "?"
}

// ReachedActs says how far back was looked, if time ran out; else it is empty.
func (p *pageData) ReachedActs() string {
	if !p.History.OutOfTime {
		return ""
	}
	return p.L.T("search.cut", p.Instant(p.History.next.Time()))
}

// AllRequests leads from the history to everything recorded of the object.
func (p *pageData) AllRequests() string {
	o := p.History.Object
	return p.History.Root + "?" + url.Values{"object": {o.Type + "/" + o.ID}, "range": {"90d"}}.Encode()
}

// HistoryURL leads to the history of the object that the view is about; empty if it
// is about none, or several.
func (p *pageData) HistoryURL() string {
	return objectURL(p.historyOf())
}

// HistoryName names that object.
func (p *pageData) HistoryName() string {
	o := p.historyOf()
	return strings.TrimSpace(singular(words(o.Type)) + " " + o.ID)
}

func (p *pageData) historyOf() adminsessions.Resource {
	f := p.V.filter(p.Me)
	if len(f.Only.Resources) != 1 {
		return adminsessions.Resource{}
	}
	return f.Only.Resources[0]
}
