package viewer

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the parts of the page. The page is sent part by part, so that the
// table is there before the total has been counted, and a long search shows how
// far it is, all without a script.
type pages struct{ t *template.Template }

func loadPages(assets map[string]asset) (*pages, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"asset": func(name string) (string, error) {
			a, ok := assets[name]
			if !ok {
				return "", fmt.Errorf("no asset %q", name)
			}
			return "assets/" + name + "?" + a.version, nil
		},
		"className": className,
		"hue":       hue,
		"initials":  initials,
	}).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the templates: %w", err)
	}
	return &pages{t}, nil
}

// stream sends a page part by part. The first error ends it: the rest is
// dropped, since a client that has gone needs nothing more.
type stream struct {
	t    *template.Template
	w    http.ResponseWriter
	p    *pageData
	buf  bytes.Buffer
	sent bool
	err  error
}

func (s *pages) start(w http.ResponseWriter, p *pageData) *stream {
	return &stream{t: s.t, w: w, p: p}
}

// head sends the status and the start of the page, once.
func (s *stream) head(status int) {
	if s.sent {
		return
	}
	s.sent = true
	s.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.w.Header().Set("Content-Language", s.p.L.Code)
	s.w.Header().Add("Vary", "Cookie, Accept-Language")
	s.w.WriteHeader(status)
	s.show("head")
}

// show adds a part.
func (s *stream) show(part string) {
	if s.err == nil {
		s.err = s.t.ExecuteTemplate(&s.buf, part+".html", s.p)
	}
}

// flush sends what has been added, now.
func (s *stream) flush() {
	s.write()
	if s.err == nil {
		// A writer that cannot flush sends everything at the end.
		_ = http.NewResponseController(s.w).Flush()
	}
}

func (s *stream) write() {
	if s.err == nil {
		_, s.err = io.Copy(s.w, &s.buf)
	}
}

// close sends the rest.
func (s *stream) close(logger *slog.Logger) {
	s.write()
	if s.err != nil {
		logger.Debug("sending the page failed", "error", s.err)
	}
}

// The methods below are what the templates ask of a page.

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

// Sort is the column that orders the table, Ascending its direction.
func (p *pageData) Sort() string    { return string(p.V.sort) }
func (p *pageData) Ascending() bool { return p.V.asc }

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
	Value, Label string
	On           bool
	URL          string
}

// Types, Methods and Classes are the filters of many values.
func (p *pageData) Types() []option {
	var options []option
	for _, i := range []adminsessions.Interface{adminsessions.Web, adminsessions.API} {
		options = append(options, option{Value: string(i), Label: map[adminsessions.Interface]string{
			adminsessions.Web: "WEB", adminsessions.API: "API"}[i], On: slices.Contains(p.V.interfaces, i)})
	}
	return options
}

func (p *pageData) Methods() []option {
	var options []option
	for _, m := range methods {
		on := slices.Contains(p.V.methods, m)
		if on || slices.Contains(mainMethods, m) {
			options = append(options, option{Value: m, Label: m, On: on})
		}
	}
	return options
}

func (p *pageData) Classes() []option {
	var options []option
	for _, c := range classes {
		options = append(options, option{Value: className(c), Label: className(c), On: slices.Contains(p.V.classes, c)})
	}
	return options
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

// Search, User and their like are the values of the form's fields.
func (p *pageData) Search() string  { return p.V.search }
func (p *pageData) User() string    { return p.V.user }
func (p *pageData) Address() string { return p.V.address }
func (p *pageData) Session() string { return p.V.session }
func (p *pageData) HideMe() bool    { return p.V.hideMe }
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
func (p *pageData) Every() int { return p.V.every }
func (p *pageData) RefreshTimes() []option {
	var options []option
	for _, s := range refreshTimes {
		options = append(options, option{Value: strconv.Itoa(s), Label: p.L.T("auto.seconds", strconv.Itoa(s)), On: s == p.V.every})
	}
	return options
}

// Sizes are the numbers of rows to choose from.
func (p *pageData) Sizes() []option {
	var options []option
	for _, n := range pageSizes {
		v := p.V.first()
		v.size = n
		options = append(options, option{Value: strconv.Itoa(n), Label: strconv.Itoa(n), On: n == p.V.size, URL: v.url()})
	}
	return options
}

// CSVURL and NDJSONURL are the exports of everything the view filters.
func (p *pageData) CSVURL() string    { return "export.csv" + p.exportQuery() }
func (p *pageData) NDJSONURL() string { return "export.ndjson" + p.exportQuery() }

func (p *pageData) exportQuery() string {
	v := p.V.first()
	q := v.values()
	for _, name := range []string{"sort", "size", "every", "auto"} {
		q.Del(name)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// PreviousURL, NextURL and NewestURL lead to other pages; empty where there is
// none.
func (p *pageData) PreviousURL() string {
	v := *p.V
	switch {
	case v.page <= 1 || len(p.Result.events) == 0:
		return ""
	case v.page == 2 || v.sort != byTime:
		v.page, v.back = v.page-1, false
		if v.sort == byTime {
			v.past = v.first().past
		}
	default:
		v.page, v.back, v.past = v.page-1, true, p.Result.events[0].Cursor()
	}
	v.auto = false
	return v.url()
}

func (p *pageData) NextURL() string {
	if !p.Result.more {
		return ""
	}
	v := *p.V
	if v.sort != byTime && (v.page+1)*v.size > maxSortedDepth {
		return ""
	}
	if v.at.IsZero() {
		v.at = p.Result.window.To
	}
	v.page++
	v.back, v.auto = false, false
	switch {
	case v.sort != byTime:
	case !p.Result.reached.IsZero():
		v.past = p.Result.reached
	default:
		v.past = p.Result.events[len(p.Result.events)-1].Cursor()
	}
	return v.url()
}

func (p *pageData) NewestURL() string {
	if p.V.page == 1 && p.V.at.IsZero() {
		return ""
	}
	return p.V.first().url()
}

// ByTimeDescending reports whether pages go from newer to older events.
func (p *pageData) ByTimeDescending() bool { return p.V.sort == byTime && !p.V.asc }

// CountText says which of how many events the page shows.
func (p *pageData) CountText() string {
	l, n := p.L, len(p.Result.events)
	first := int64((p.V.page-1)*p.V.size) + 1
	last := first + int64(n) - 1
	switch {
	case n == 0 && !p.Result.reached.IsZero():
		return "" // nothing found so far
	case n == 0 && p.Count <= 0:
		return l.T("count.none", "0")
	case n == 0:
		return l.T("count.none", l.Number(p.Count))
	case p.Counting:
		return l.T("count.pending", l.Number(first), l.Number(last))
	case p.Count < 0:
		return l.T("count.many", l.Number(first), l.Number(last))
	default:
		// What arrives while the page is made is counted but not shown.
		return l.T("count", l.Number(first), l.Number(last), l.Number(max(p.Count, last)))
	}
}

// CutText says that not all events have been sorted; empty if they have.
func (p *pageData) CutText() string {
	if p.Result.cut == 0 {
		return ""
	}
	return p.L.T("sort.cut", p.L.Number(int64(p.Result.cut)))
}

// ReachedText says how far a search came before its time was over; empty if it
// came to its end.
func (p *pageData) ReachedText() string {
	if p.Result.reached.IsZero() {
		return ""
	}
	return p.L.T("search.cut", p.Instant(time.Unix(0, p.Result.reached.Nanos)))
}

// Instant writes a time of the page in the viewer's zone.
func (p *pageData) Instant(t time.Time) string {
	t = t.In(p.zone)
	return p.L.Date(t) + ", " + p.L.Clock(t)
}
