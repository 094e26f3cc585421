package viewer

import (
	"net/url"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// The methods of this file are what the templates ask for the list of sessions, and
// for the tabs that lead to it.

// tab is one of the lists of the page.
type tab struct {
	Label, URL string
	On         bool
}

// Tabs are the lists: requests and sessions, both of what the filters choose.
func (p *pageData) Tabs() []tab {
	query := p.filterQuery()
	return []tab{
		{p.L.T("tab.requests"), "./" + query, p.Sessions == nil},
		{p.L.T("tab.sessions"), sessionsPath + query, p.Sessions != nil},
	}
}

// filterQuery is what the view filters as a URL's query, without how it shows it.
func (p *pageData) filterQuery() string {
	v := p.V.first()
	q := v.values()
	q.Del("sort")
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// Here is the path of the list that is shown, as seen from itself.
func (p *pageData) Here() string {
	if p.Sessions != nil {
		return sessionsPath
	}
	return "./"
}

// sessionRow is a session as the list shows it.
type sessionRow struct {
	ID        string
	Admins    []sessionAdmin
	Shared    string // that more than one admin was signed in, empty if not
	Addresses []sessionAddress
	Further   string // how many addresses there are besides
	Agents    []string
	Types     []string
	First     moment
	Last      moment
	Ago       string
	Requests  string
	StoryURL  string
	EndURL    string // empty where it can't be ended
}

type sessionAdmin struct{ Name, Email, URL, EndURL string }

type sessionAddress struct{ Address, URL string }

// moment is a time as a list shows it.
type moment struct{ Date, Clock, ISO string }

func (p *pageData) moment(t time.Time) moment {
	local := t.In(p.zone)
	return moment{p.L.Date(local), p.L.Clock(local), t.UTC().Format(time.RFC3339Nano)}
}

// shownAddresses is how many addresses of a session the list shows.
const shownAddresses = 3

// SessionRows are the rows of the list.
func (p *pageData) SessionRows() []sessionRow {
	rows := make([]sessionRow, len(p.Sessions.shown))
	for i := range p.Sessions.shown {
		rows[i] = p.sessionRow(&p.Sessions.shown[i])
	}
	return rows
}

func (p *pageData) sessionRow(s *trail.Session) sessionRow {
	r := sessionRow{ID: s.ID, Agents: s.Agents, First: p.moment(s.First), Last: p.moment(s.Last), Ago: p.L.Ago(p.Now.Sub(s.Last)),
		Requests: p.L.Number(s.Requests), StoryURL: p.storyURL(s.ID)}
	if p.Sessions.endable {
		r.EndURL = endQuery(s.ID, "")
	}
	for _, u := range s.Admins {
		a := sessionAdmin{Name: nameOf(u), Email: u.Email, URL: p.withFilter("admin", who(u))}
		if a.Email == a.Name {
			a.Email = ""
		}
		if p.Sessions.endable {
			a.EndURL = endQuery(s.ID, who(u))
		}
		r.Admins = append(r.Admins, a)
	}
	if n := len(s.Admins); n > 1 {
		r.Shared = p.L.N("sessions.shared", int64(n))
	}
	for i, a := range s.Addresses {
		if i == shownAddresses {
			r.Further = p.L.T("online.more", p.L.Number(int64(len(s.Addresses)-i)))
			break
		}
		r.Addresses = append(r.Addresses, sessionAddress{a, p.withFilter("ip", a)})
	}
	for _, t := range s.Types {
		r.Types = append(r.Types, string(t))
	}
	return r
}

// withFilter is the list with one more filter.
func (p *pageData) withFilter(name, value string) string {
	v := *p.Sessions.view
	v.view = v.first()
	q := v.values()
	q.Set(name, value)
	return "?" + q.Encode()
}

// storyURL leads to the requests of a session in order.
func (p *pageData) storyURL(id string) string {
	q := url.Values{"session": {id}, "sort": {"time"}}
	p.V.rng.set(q)
	return "./?" + q.Encode()
}

// SessionHeaders are the heads of the columns.
func (p *pageData) SessionHeaders() []header {
	var headers []header
	for _, c := range sessionColumns {
		v := *p.Sessions.view
		v.view = v.first()
		h := header{Name: c, Label: p.L.T("sessions." + c), Aria: "none"}
		if v.column == c {
			h.Aria = "descending"
			if v.asc {
				h.Aria = "ascending"
			}
			v.asc = !v.asc
		} else {
			v.column, v.asc = c, c == "admin" || c == "ip"
		}
		h.URL = "?" + v.values().Encode()
		headers = append(headers, h)
	}
	return headers
}

// SessionsCaption describes the list to who cannot see it.
func (p *pageData) SessionsCaption() string {
	direction := "sort.descending"
	if p.Sessions.view.asc {
		direction = "sort.ascending"
	}
	return p.L.T("sessions.caption", p.RangeText(), p.L.T("sessions."+p.Sessions.view.column)+" ("+p.L.T(direction)+")")
}

// SessionsReached says how far back was looked; empty if that is the whole range.
func (p *pageData) SessionsReached() string {
	if p.Sessions.reached.IsZero() {
		return ""
	}
	return p.L.T("sessions.reached", p.L.Number(int64(p.Sessions.all)), p.Instant(p.Sessions.reached))
}

// SessionsCount says which of how many sessions are shown.
func (p *pageData) SessionsCount() string {
	n := int64(len(p.Sessions.shown))
	if n == 0 {
		return p.L.T("count.none", p.L.Number(int64(p.Sessions.all)))
	}
	first := int64((p.V.page-1)*p.V.size) + 1
	key := "count"
	if !p.Sessions.reached.IsZero() {
		key = "count.at_least"
	}
	return p.L.T(key, p.L.Number(first), p.L.Number(first+n-1), p.L.Number(int64(p.Sessions.all)))
}

// SessionsPage leads to another page of the list; empty where there is none.
func (p *pageData) SessionsPage(step int) string {
	v := *p.Sessions.view
	v.page += step
	if v.page < 1 || (v.page-1)*v.size >= p.Sessions.all {
		return ""
	}
	v.auto = false
	return "?" + v.values().Encode()
}

// shortAgent is the beginning of what a program calls itself, for a line of a page.
func shortAgent(agent string) string {
	const most = 160
	if len(agent) <= most {
		return agent
	}
	return strings.ToValidUTF8(agent[:most], "") + "…"
}
