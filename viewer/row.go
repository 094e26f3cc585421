package viewer

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

// row is an event as the table shows it.
type row struct {
	Key                 string
	Date, Clock, UTC    string
	ISO                 string
	Admin, Email, Tried string
	AdminURL            string
	ActingAs            string
	Actor               string // what kind of one, if it is no user
	Address, AddressURL string
	Type                string
	Method              string
	Origin, Path        string
	Status              string
	StatusClass         string
	Duration            string
	Act                 *act
	Changes             []change
	MoreChanges         bool // than could be recorded
	Facts               []fact
	EventURL            string // the permanent link
	HistoryURL          string // what was done to the object
	Notes               []string
	Folded              string // how many requests it stands for, if for many
	People              string // the event in one line
	Unreadable          bool   // People is all that is known
	InProgress          string // since when, if it has no end
	Fields              []field
}

// field is one thing recorded about an event.
type field struct {
	Name, Value string
	Only        string // the view with only events that share the value
	Event       string // the view of the request whose id the value is
}

// Summary is the event in a few words.
func (r *row) Summary() string {
	if r.Act == nil {
		return r.Method + " " + r.Path
	}
	return strings.Join(strings.Fields(r.Act.Verb+" "+r.Act.Object+" "+r.Act.Name+" "+r.Act.Outcome), " ")
}

// Rows are the rows of the table.
func (p *pageData) Rows() []*row {
	rows := make([]*row, 0, len(p.Result.inProgress)+len(p.Result.events))
	for i := range p.Result.inProgress {
		rows = append(rows, p.row(&p.Result.inProgress[i]))
	}
	for i := range p.Result.events {
		rows = append(rows, p.row(&p.Result.events[i]))
	}
	return rows
}

func (p *pageData) row(e *trail.Event) *row {
	local := e.Time.In(p.zone)
	r := &row{
		Key:        e.Cursor().String(),
		Date:       p.L.Date(local),
		Clock:      p.L.Clock(local),
		ISO:        e.Time.UTC().Format(time.RFC3339Nano),
		Admin:      nameOf(e.User),
		Email:      e.User.Email,
		Type:       string(e.Type),
		Method:     methodOf(e),
		People:     e.People(),
		Unreadable: e.Unreadable,
		ActingAs:   nameOf(e.Target),
		Notes:      notesOf(e),
		Act:        p.act(e),
		Facts:      p.facts(e),
		Fields:     p.fields(e),
	}
	if t := e.Actor.Type; t != "" && t != adminsessions.ActorUser {
		r.Actor = p.L.name("actor", string(t))
	}
	r.HistoryURL = objectURL(e.Resource)
	r.Changes, r.MoreChanges = changesOf(e)
	if e.RequestID != "" {
		r.EventURL = eventURL(e.RequestID)
	}
	if _, offset := local.Zone(); offset != 0 {
		r.UTC = e.Time.UTC().Format(time.TimeOnly) + " UTC"
		if !sameDay(local, e.Time.UTC()) {
			r.UTC = p.L.Date(e.Time.UTC()) + ", " + r.UTC
		}
	}
	if r.Email == r.Admin {
		r.Email = ""
	}
	if r.Admin == "" {
		r.Tried = e.SignIn.Name
	}
	if who := who(e.User); who != "" {
		r.AdminURL = p.only("admin", who)
	}
	if e.ClientAddress.IsValid() {
		r.Address = e.ClientAddress.String()
		r.AddressURL = p.only("ip", r.Address)
	}
	r.Origin, r.Path = splitURL(e.URL)
	if e.StatusCode != 0 {
		r.Status, r.StatusClass = strconv.Itoa(e.StatusCode), "s"+strconv.Itoa(e.StatusCode/100)
	}
	switch {
	case e.Unreadable:
		r.Path = r.People
	case e.InProgress():
		r.InProgress = p.L.Ago(p.Now.Sub(e.Time))
	default:
		r.Duration = p.L.Duration(e.Duration)
	}
	if e.Count > 1 {
		r.Folded = p.L.N("folded", int64(e.Count), p.Instant(e.Since), p.Instant(e.Time))
	}
	return r
}

func sameDay(a, b time.Time) bool { return a.YearDay() == b.YearDay() && a.Year() == b.Year() }

// splitURL parts a URL into scheme and host, and the rest.
func splitURL(s string) (origin, rest string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", s
	}
	for i := strings.Index(s, "//") + 2; i < len(s); i++ {
		if s[i] == '/' || s[i] == '?' || s[i] == '#' {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// fields are everything recorded about an event, by the keys of its line, which
// are those that can be searched for, and what recorded it.
func (p *pageData) fields(e *trail.Event) []field {
	var fields []field
	for name, value := range export.Fields(e) {
		if strings.HasPrefix(name, "was.") || strings.HasPrefix(name, "now.") {
			continue // stands in the table of changes
		}
		f := field{Name: name, Value: value}
		switch name {
		case "email", "id":
			f.Only = p.only("admin", value)
		case "ip", "session", "action", "outcome", "credential", "tenant", "country", "actor":
			f.Only = p.only(name, value)
		case "object":
			f.Only = p.only("object", value)
		case "object_id":
			f.Only = p.only("object", e.Resource.Type+"/"+value)
		case "request", "cause":
			f.Event = eventURL(value)
		}
		fields = append(fields, f)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		fields = append(fields, field{Name: name, Value: e.Labels[name]})
	}
	return fields
}

// only is the view with one more filter, and without another value of it.
func (p *pageData) only(key, value string) string {
	v := p.V.first()
	v.setParam(key, value)
	return v.url()
}

// notesOf are the notes of an event, one by one.
func notesOf(e *trail.Event) []string {
	if e.Note == "" {
		return nil
	}
	return strings.Split(e.Note, "\n")
}
