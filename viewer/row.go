package viewer

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// row is an event as the table shows it.
type row struct {
	Key                 string
	Date, Clock, UTC    string
	ISO                 string
	Admin, Email, Tried string
	AdminURL            string
	ActingAs            string
	Address, AddressURL string
	Interface           string // WEB or API
	Method              string
	Origin, Path        string
	Status              string
	StatusClass         string
	Duration            string
	Note                string
	Sentence            string
	InProgress          string // since when, if it has no end
	Fields              []field
}

// field is one thing recorded about an event.
type field struct {
	Name, Value string
	Only        string // the view with only events that share the value
}

// Rows are the rows of the table.
func (p *pageData) Rows() []row {
	rows := make([]row, 0, len(p.Result.inProgress)+len(p.Result.events))
	for i := range p.Result.inProgress {
		e := &p.Result.inProgress[i]
		r := p.row(e)
		r.InProgress = p.L.Ago(p.Now.Sub(e.Time()))
		rows = append(rows, r)
	}
	for i := range p.Result.events {
		rows = append(rows, p.row(&p.Result.events[i]))
	}
	return rows
}

func (p *pageData) row(e *trail.Event) row {
	t := e.Time()
	local := t.In(p.zone)
	r := row{
		Key:       e.Cursor().String(),
		Date:      p.L.Date(local),
		Clock:     p.L.Clock(local),
		ISO:       t.UTC().Format(time.RFC3339Nano),
		Admin:     adminOf(e),
		Email:     e.Get(adminsessions.KeyUserEmail),
		Address:   e.Get(adminsessions.KeyClientAddress),
		Interface: strings.ToUpper(e.Get(adminsessions.KeyInterface)),
		Method:    cmp.Or(e.Get(adminsessions.KeyMethodOriginal), e.Get(adminsessions.KeyMethod)),
		Sentence:  e.Line,
		Note:      e.Get(adminsessions.KeyNote),
		ActingAs: cmp.Or(e.Get(adminsessions.KeyTargetUserFullName), e.Get(adminsessions.KeyTargetUserEmail),
			e.Get(adminsessions.KeyTargetUserID)),
		Fields: p.fields(e),
	}
	if _, offset := local.Zone(); offset != 0 {
		r.UTC = t.UTC().Format(time.TimeOnly) + " UTC"
		if !sameDay(local, t.UTC()) {
			r.UTC = p.L.Date(t.UTC()) + ", " + r.UTC
		}
	}
	if r.Email == r.Admin {
		r.Email = ""
	}
	if r.Admin == "" {
		r.Tried = e.Get(adminsessions.KeySignInName)
	}
	if who := who(e); who != "" {
		r.AdminURL = p.only(func(v *view) { v.user = who })
	}
	if r.Address != "" {
		r.AddressURL = p.only(func(v *view) { v.address = r.Address })
	}
	r.Origin, r.Path = splitURL(e.Get(adminsessions.KeyURL))
	if status := e.Status(); status != 0 {
		r.Status, r.StatusClass = strconv.Itoa(status), "s"+strconv.Itoa(status/100)
	}
	if d, ok := e.Duration(); ok {
		r.Duration = p.L.Duration(d)
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
	if i := strings.Index(s, u.Host); i >= 0 {
		return s[:i+len(u.Host)], s[i+len(u.Host):]
	}
	return "", s
}

// vocabulary are the keys in the order in which the details show them.
var vocabulary = []string{
	adminsessions.KeyUserFullName, adminsessions.KeyUserEmail, adminsessions.KeyUserID,
	adminsessions.KeyTargetUserFullName, adminsessions.KeyTargetUserEmail, adminsessions.KeyTargetUserID,
	adminsessions.KeySignInName, adminsessions.KeySignInOutcome,
	adminsessions.KeyClientAddress, adminsessions.KeySessionID, adminsessions.KeyUserAgent,
	adminsessions.KeyInterface, adminsessions.KeyMethod, adminsessions.KeyMethodOriginal,
	adminsessions.KeyURL, adminsessions.KeyRoute, adminsessions.KeyStatusCode, adminsessions.KeyDuration,
	adminsessions.KeyErrorType, adminsessions.KeyNote, adminsessions.KeyRequestStage, adminsessions.KeyRequestID,
	adminsessions.LokiTraceID, adminsessions.LokiSpanID,
	adminsessions.KeyServiceName, adminsessions.KeyServiceInstanceID, adminsessions.KeyDeploymentEnvironment,
	adminsessions.KeyLogID, adminsessions.KeySequenceNumber, adminsessions.KeyRequestTime, adminsessions.KeyTruncated,
}

// fields are everything recorded about an event: the vocabulary's names first,
// by their attribute keys, then the rest by their names in Loki.
func (p *pageData) fields(e *trail.Event) []field {
	rest := maps.Clone(e.Metadata)
	if rest == nil {
		rest = map[string]string{}
	}
	maps.Copy(rest, e.Labels)
	var fields []field
	for _, key := range vocabulary {
		name := adminsessions.LokiName(key)
		value, ok := rest[name]
		if !ok {
			continue
		}
		delete(rest, name)
		f := field{Name: key, Value: value}
		switch key {
		case adminsessions.KeyUserEmail, adminsessions.KeyUserID:
			f.Only = p.only(func(v *view) { v.user = value })
		case adminsessions.KeyClientAddress:
			f.Only = p.only(func(v *view) { v.address = value })
		case adminsessions.KeySessionID:
			f.Only = p.only(func(v *view) { v.session = value })
		}
		fields = append(fields, f)
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		fields = append(fields, field{Name: name, Value: rest[name]})
	}
	return fields
}
