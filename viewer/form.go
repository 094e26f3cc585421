package viewer

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// The methods of this file are what the templates ask of a page for its head:
// settings, filters, and the heads of the columns.

// Locales are the languages to choose from.
func (p *pageData) Locales() []*locale { return p.locales }

// Themes are the appearances to choose from besides the system's.
func (p *pageData) Themes() []string { return themes }

// Theme is the chosen appearance, empty for the system's.
func (p *pageData) Theme() string { return p.theme }

// ZoneName names the zone of the times.
func (p *pageData) ZoneName() string { return p.zone.String() }

// ZoneChosen is the zone's cookie; the script fills it in where it is empty.
func (p *pageData) ZoneChosen() string { return p.chosen }

// ZoneNow is the time in the zone and in UTC.
func (p *pageData) ZoneNow() string {
	return p.L.T("zone.now", p.L.Clock(p.Now.In(p.zone)), p.L.Clock(p.Now.UTC()))
}

// IsUTC reports whether the zone is UTC.
func (p *pageData) IsUTC() bool { return p.zone == time.UTC || p.ZoneName() == "UTC" }

// ZoneInput is the zone as its setting shows it: empty for the browser's own.
func (p *pageData) ZoneInput() string {
	if strings.HasPrefix(p.chosen, browserZone) {
		return ""
	}
	return p.chosen
}

// Zones are some zones to choose from; any other can be typed.
func (p *pageData) Zones() []string { return zones }

// Values are the view's parameters, for a form that carries them along.
func (p *pageData) Values() url.Values { return p.V.values() }

// Size is the number of rows of a page.
func (p *pageData) Size() int { return p.V.size }

// SortParam is the order as it stands in the URL, empty for the default.
func (p *pageData) SortParam() string {
	if p.Sessions != nil {
		return p.Sessions.view.sortParam()
	}
	if p.V.sort == byTime && !p.V.asc {
		return ""
	}
	return p.V.sortParam()
}

// NewTexts are the forms of "3 new requests" for the script, with {} for the
// number.
func (p *pageData) NewTexts() map[string]string {
	texts := make(map[string]string)
	for _, form := range []string{"one", "few", "other"} {
		if key := "auto.new." + form; p.L.Messages[key] != "" {
			texts[form] = p.L.T(key, "{}")
		}
	}
	return texts
}

// Sort is the column that orders the table.
func (p *pageData) Sort() string { return string(p.V.sort) }

// header is the head of a column.
type header struct {
	Name  string
	Label string
	URL   string
	Aria  string // aria-sort
}

// Headers are the heads of the columns.
func (p *pageData) Headers() []header {
	headers := make([]header, len(columns))
	for i, c := range columns {
		v := p.V.first()
		h := header{Name: string(c), Label: p.L.T("column." + string(c)), Aria: "none"}
		if v.sort == c {
			h.Aria = "descending"
			if v.asc {
				h.Aria = "ascending"
			}
			v.asc = !v.asc
		} else {
			v.sort, v.asc = c, !c.startsDescending()
		}
		h.URL = v.url()
		headers[i] = h
	}
	return headers
}

// Caption describes the table to who cannot see it.
func (p *pageData) Caption() string {
	direction := "sort.descending"
	if p.V.asc {
		direction = "sort.ascending"
	}
	return p.L.T("caption", p.RangeText(), p.L.T("column."+string(p.V.sort))+" ("+p.L.T(direction)+")")
}

// option is one of several values of a filter.
type option struct {
	Value, Label, Hint string
	On                 bool
	URL                string
}

// Types, Methods, Statuses, Outcomes and Actors are the filters of many values:
// those that are always shown, and others that are on.
func (p *pageData) Types() []option {
	return p.options("type", mainTypes, strings.ToUpper)
}

func (p *pageData) Methods() []option {
	return p.options("method", query.Methods[:mainMethods], func(m string) string { return m })
}

func (p *pageData) Statuses() []option {
	options := p.options("status", classes, func(s string) string { return s })
	for i := range options {
		if slices.Contains(classes, options[i].Value) {
			options[i].Hint = p.L.T("status." + options[i].Value)
		}
	}
	return options
}

func (p *pageData) Outcomes() []option {
	return p.options("outcome", query.Outcomes, func(o string) string { return p.L.name("outcome", o) })
}

func (p *pageData) Actors() []option {
	return p.options("actor", query.Actors, func(a string) string { return p.L.name("actor", a) })
}

func (p *pageData) options(key string, always []string, label func(string) string) []option {
	var options []option
	on := p.V.paramValues(key)
	for _, value := range always {
		options = append(options, option{Value: value, Label: label(value), On: slices.Contains(on, value)})
	}
	for _, value := range on {
		if !slices.Contains(always, value) {
			options = append(options, option{Value: value, Label: label(value), On: true})
		}
	}
	return options
}

// formField is a filter of any text.
type formField struct{ Name, Label, Value, Hint string }

// Field is the filter of a key.
func (p *pageData) Field(key string) formField {
	f := formField{Name: key, Label: p.L.T(key), Value: p.V.param(key)}
	if hint := key + ".placeholder"; p.L.Messages[hint] != "" {
		f.Hint = p.L.T(hint)
	}
	return f
}

// Carried are the parameters that the form has no field for.
func (p *pageData) Carried() query.Query {
	return slices.DeleteFunc(slices.Clone(p.V.params), func(t query.Term) bool { return slices.Contains(formKeys, t.Key) })
}

// Ranges are the quick ranges.
func (p *pageData) Ranges() []option {
	var options []option
	for _, q := range quickRanges {
		v := p.V.first()
		v.rng = timeRange{quick: q.name}
		options = append(options, option{Value: q.name, Label: p.L.T("range." + q.name),
			On: !p.V.rng.isCustom() && p.V.rng.quick == q.name, URL: v.url()})
	}
	return options
}

// RangeText is the range in words.
func (p *pageData) RangeText() string {
	r := p.V.rng
	instant := func(t time.Time) string {
		t = t.In(p.zone)
		return p.L.Date(t) + ", " + t.Format("15:04")
	}
	switch {
	case !r.isCustom():
		return p.L.T("range." + r.quick)
	case r.from.IsZero():
		return p.L.T("range.open_start", instant(r.to))
	case r.to.IsZero():
		return p.L.T("range.open_end", instant(r.from))
	default:
		return instant(r.from) + " – " + instant(r.to)
	}
}

// From and To are the values of the range's inputs: of a quick range there is
// none, so that it stays one when the form is sent.
func (p *pageData) From() string { return p.input(p.V.rng.from) }
func (p *pageData) To() string   { return p.input(p.V.rng.to) }

func (p *pageData) input(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(p.zone).Format("2006-01-02T15:04:05")
}

// Event is the id of the request that the page shows, "" if it shows others, too.
func (p *pageData) Event() string { return p.V.event }

// SeveralText says how many records have that id, if several do.
func (p *pageData) SeveralText() string {
	n := 0
	for i := range p.Result.events {
		if p.Result.events[i].RequestID == p.V.event {
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return p.L.T("event.several", p.L.Number(int64(n)))
}

// EventTextURL is the search for the id as text.
func (p *pageData) EventTextURL() string {
	v := newView()
	v.search = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.V.event) + `"`
	return v.url()
}

// RequestURL is the view of the request whose id is searched for as a text, "" if
// the text can't be one.
func (p *pageData) RequestURL() string {
	if id := p.V.mayBeRequest(); id != "" {
		return eventURL(id)
	}
	return ""
}

// TrailURL is the view of the trail's own events, or, from there, the way back.
func (p *pageData) TrailURL() string {
	v := p.V.first()
	if p.OwnTrail() {
		v.setParam("type", "")
	} else {
		v.setParam("type", "trail")
	}
	return v.url()
}

// OwnTrail reports whether only the trail's own events are shown.
func (p *pageData) OwnTrail() bool { return slices.Equal(p.V.paramValues("type"), []string{"trail"}) }

// Search and its like are the values of the form's fields.
func (p *pageData) Search() string { return p.V.search }
func (p *pageData) HideMe() bool   { return p.V.hideMe }
func (p *pageData) Looks() bool    { return p.V.looks }
func (p *pageData) Quick() string {
	if p.V.rng.isCustom() {
		return ""
	}
	return p.V.rng.quick
}

// CanHideMe reports whether it is known who is looking.
func (p *pageData) CanHideMe() bool { return p.Me.ID != "" || p.Me.Email != "" }

// Filtered reports whether any filter is active.
func (p *pageData) Filtered() bool { return len(p.Chips()) > 0 }

// WiderURL is the view over the last 30 days.
func (p *pageData) WiderURL() string {
	v := p.V.first()
	v.rng = timeRange{quick: "30d"}
	return v.url()
}

// RetryURL is the view itself, ResetURL the page without anything.
func (p *pageData) RetryURL() string { return p.V.url() }
func (p *pageData) ResetURL() string { return "./" }

// Auto reports whether the page refreshes itself, Live whether it can.
func (p *pageData) Auto() bool { return p.V.auto }
func (p *pageData) Live() bool { return p.V.isLive() }
func (p *pageData) RefreshTimes() []option {
	var options []option
	for _, s := range refreshTimes {
		options = append(options, option{Value: strconv.Itoa(s), Label: p.L.T("auto.seconds", strconv.Itoa(s)), On: s == p.V.every})
	}
	return options
}
