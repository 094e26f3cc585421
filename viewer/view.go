package viewer

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/text"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// Limits on what a URL may ask for.
const (
	maxText        = 500 // bytes of a search or an exact value
	defaultSize    = 50
	defaultEvery   = 10
	maxSortedDepth = 10_000 // rows down to which a sorted result can be paged

	// eventWithin is how far back a request is looked for by its id.
	eventWithin = 400 * 24 * time.Hour
)

var (
	pageSizes    = []int{25, 50, 100, 200}
	refreshTimes = []int{2, 5, 10, 30, 60} // seconds
)

// parameters are the names in a view's query, and whether one may repeat. Every
// key of the search grammar is one, too.
var parameters = func() map[string]bool {
	names := map[string]bool{
		"q": false, "event": false, "hide": false, "looks": false, "range": false, "from": false, "to": false,
		"sort": false, "size": false, "every": false, "auto": false, "at": false, "past": false, "back": false, "page": false,
	}
	for _, key := range query.Keys() {
		names[key] = slices.Contains(manyValues, key)
	}
	return names
}()

// view is everything that a URL of the page says: what is shown, and how. It is
// the whole state of the page, so that a view can be shared and "back" works.
type view struct {
	search string      // as it was typed
	terms  query.Query // of search
	params query.Query // parameters that are keys of the grammar, in the order of those
	event  string      // the id of a request of which everything is shown
	hideMe bool
	looks  bool // shows looks at the trail, too

	rng  timeRange
	sort column
	asc  bool
	size int

	// A page other than the first is pinned: at is the time at which the first
	// was made. In the order of time it starts past a place of the trail, or,
	// going back, it ends before it. page counts from 1.
	at   time.Time
	past trail.Cursor
	back bool
	page int

	auto  bool
	every int
}

// viewError is a URL that asks for something that is not there; the message is a
// key of the translations.
type viewError struct {
	field   string
	message string
	args    []any // of the message
	err     error
}

func (e *viewError) Error() string { return fmt.Sprintf("parameter %q: %v", e.field, e.err) }

func (e *viewError) Unwrap() error { return e.err }

// viewReader reads a view from a URL's query, and remembers the first thing that
// is wrong with it.
type viewReader struct {
	q   url.Values
	bad *viewError
}

func (r *viewReader) fail(field, message string, format string, args ...any) {
	if r.bad == nil {
		r.bad = &viewError{field: field, message: message, err: fmt.Errorf(format, args...)}
	}
}

// text is a parameter that may hold any text.
func (r *viewReader) text(name string) string {
	return r.clean(name, r.q.Get(name))
}

func (r *viewReader) clean(name, s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxText {
		r.fail(name, "error.text_too_long", "%d bytes, want at most %d", len(s), maxText)
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, string(text.Replacement))
}

// number is a parameter that is a number.
func (r *viewReader) number(name string, unless int, allowed func(int) bool) int {
	s := r.q.Get(name)
	if s == "" {
		return unless
	}
	n, err := strconv.Atoi(s)
	if err != nil || !allowed(n) {
		r.fail(name, "error.bad_filter", "%.20q is not among the accepted values", s)
		return unless
	}
	return n
}

// flag is a parameter that is there with one value, or not.
func (r *viewReader) flag(name, value string) bool {
	s := r.q.Get(name)
	if s != "" && s != value {
		r.fail(name, "error.bad_filter", "%.20q, want %s", s, value)
	}
	return s == value
}

// names refuses parameters that mean nothing, and one that is there twice: an
// answer to another question than was asked would be taken for this one's.
func (r *viewReader) names() {
	for _, name := range slices.Sorted(maps.Keys(r.q)) {
		switch repeats, ok := parameters[name]; {
		case !ok:
			r.fail(strings.ToValidUTF8(name, string(text.Replacement)), "error.unknown_parameter", "not known")
		case !repeats && len(r.q[name]) > 1:
			r.fail(name, "error.repeated_parameter", "%d values, want one", len(r.q[name]))
		}
	}
}

// parseView reads a view from a URL's query. Times without a zone are in zone.
// On a *viewError the rest of the view is still what the URL says.
func parseView(rawQuery string, zone *time.Location) (view, error) {
	q, err := url.ParseQuery(rawQuery)
	r := viewReader{q: q}
	if err != nil {
		r.fail("?", "error.bad_address", "%w", err)
	}
	r.names()
	v := newView()
	v.search, v.event = r.text("q"), r.text("event")
	r.terms(&v)
	v.hideMe, v.looks, v.auto = r.flag("hide", "me"), r.flag("looks", "1"), r.flag("auto", "1")
	if v.rng, err = parseRange(q.Get("range"), q.Get("from"), q.Get("to"), zone); err != nil {
		r.fail("range", "error.bad_range", "%w", err)
	}
	if s := q.Get("sort"); s != "" {
		name, desc := strings.CutPrefix(s, "-")
		v.sort, v.asc = column(name), !desc
		if !slices.Contains(columns, v.sort) {
			r.fail("sort", "error.bad_filter", "%.20q, want a column, with - before it for descending", s)
			v.sort, v.asc = byTime, false
		}
	}
	v.size = r.number("size", defaultSize, func(n int) bool { return slices.Contains(pageSizes, n) })
	v.every = r.number("every", defaultEvery, func(n int) bool { return slices.Contains(refreshTimes, n) })
	v.page = r.number("page", 1, func(n int) bool { return n >= 1 && n < 1<<31 })
	r.place(&v)
	if v.sort != byTime && v.page*v.size > maxSortedDepth {
		r.fail("page", "error.too_deep", "page %d, want at most %d rows down a sorted result", v.page, maxSortedDepth)
	}
	if r.bad != nil {
		return v, r.bad
	}
	return v, nil
}

// newView is the view that a URL without a query means.
func newView() view {
	return view{size: defaultSize, every: defaultEvery, page: 1, sort: byTime, rng: timeRange{quick: defaultRange}}
}

// place reads where in the trail a page begins or ends.
func (r *viewReader) place(v *view) {
	var err error
	if s := r.q.Get("at"); s != "" {
		if v.at, _, err = parseInstant(s, time.UTC); err != nil {
			r.fail("at", "error.bad_range", "%w", err)
		}
	}
	for _, name := range []string{"past", "back"} {
		s := r.q.Get(name)
		if s == "" {
			continue
		}
		if !v.past.IsZero() {
			r.fail(name, "error.bad_cursor", "past is there as well, want one of the two")
		}
		if v.past, err = trail.ParseCursor(s); err != nil {
			r.fail(name, "error.bad_cursor", "%w", err)
		}
		v.back = name == "back"
	}
}

// values is the view as a URL's query, without what is the default.
func (v *view) values() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("q", v.search)
	set("event", v.event)
	for _, t := range v.params {
		q.Add(t.Key, t.Value)
	}
	if v.hideMe {
		q.Set("hide", "me")
	}
	if v.looks {
		q.Set("looks", "1")
	}
	v.rng.set(q)
	if v.sort != byTime || v.asc {
		q.Set("sort", v.sortParam())
	}
	if v.size != defaultSize {
		q.Set("size", strconv.Itoa(v.size))
	}
	if v.every != defaultEvery {
		q.Set("every", strconv.Itoa(v.every))
	}
	if v.auto {
		q.Set("auto", "1")
	}
	if !v.at.IsZero() {
		q.Set("at", formatInstant(v.at))
	}
	if !v.past.IsZero() {
		if v.back {
			q.Set("back", v.past.String())
		} else {
			q.Set("past", v.past.String())
		}
	}
	if v.page > 1 {
		q.Set("page", strconv.Itoa(v.page))
	}
	return q
}

// sortParam is the order as it stands in the URL.
func (v *view) sortParam() string {
	if v.asc {
		return string(v.sort)
	}
	return "-" + string(v.sort)
}

// first is the view's first page, made now.
func (v view) first() view {
	v.at, v.past, v.back, v.page = time.Time{}, trail.Cursor{}, false, 1
	return v
}

// url is a relative link to the view.
func (v view) url() string { return "?" + v.values().Encode() }

// filter is what the view asks of the trail for the administrator me.
func (v *view) filter(me adminsessions.User) trail.Filter {
	f, _ := slices.Concat(v.terms, v.params).Filter() // its terms have been checked
	f.Looks = v.looks
	if v.event != "" {
		f.Only.Requests, f.Looks = []string{v.event}, true
	}
	if v.hideMe {
		f.Hide = adminsessions.User{ID: me.ID, Email: me.Email}
	}
	return f
}

// window is the span of time that the view shows, made at the time now.
func (v *view) window(now time.Time) trail.Window {
	w := v.rng.window(now)
	if v.event != "" && !v.rng.isCustom() && v.rng.quick == defaultRange {
		w.From = w.To.Add(-eventWithin)
	}
	return w
}

// now is the time that the view's range is relative to.
func (v *view) now(clock func() time.Time) time.Time {
	if v.at.IsZero() {
		return clock()
	}
	return v.at
}

// isLive reports whether the view shows the newest events, so that looking
// again makes sense.
func (v *view) isLive() bool {
	return v.page == 1 && v.past.IsZero() && v.at.IsZero() && v.rng.isRelative()
}
