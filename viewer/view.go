package viewer

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Limits on what a URL may ask for.
const (
	maxText        = 500 // bytes of a search or an exact value
	defaultSize    = 50
	defaultEvery   = 10
	maxSortedDepth = 10_000 // rows down to which a sorted result can be paged
)

var (
	pageSizes    = []int{25, 50, 100, 200}
	refreshTimes = []int{2, 5, 10, 30, 60} // seconds
	methods      = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
	mainMethods  = methods[:5]
	classes      = []int{2, 3, 4, 5}
)

// view is everything that a URL of the page says: what is shown, and how. It is
// the whole state of the page, so that a view can be shared and "back" works.
type view struct {
	search     string
	interfaces []adminsessions.Type
	methods    []string
	classes    []int
	user       string
	address    string
	session    string
	hideMe     bool

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
	err     error
}

func (e *viewError) Error() string { return fmt.Sprintf("parameter %q: %v", e.field, e.err) }

func (e *viewError) Unwrap() error { return e.err }

// parseView reads a view from a URL's query. Times without a zone are in zone.
// On a *viewError the rest of the view is still what the URL says.
func parseView(q url.Values, zone *time.Location) (view, error) {
	v := view{size: defaultSize, every: defaultEvery, page: 1, sort: byTime}
	var bad *viewError
	fail := func(field, message string, format string, args ...any) {
		if bad == nil {
			bad = &viewError{field, message, fmt.Errorf(format, args...)}
		}
	}
	text := func(name string) string {
		s := strings.TrimSpace(q.Get(name))
		if len(s) > maxText {
			fail(name, "error.text_too_long", "%d bytes, want at most %d", len(s), maxText)
			s = s[:maxText]
		}
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "\uFFFD")
		}
		return s
	}
	v.search, v.user, v.address, v.session = text("q"), text("admin"), text("ip"), text("session")
	for _, s := range q["type"] {
		switch i := adminsessions.Type(s); {
		case i == adminsessions.Web || i == adminsessions.API:
			v.interfaces = appendNew(v.interfaces, i)
		case s != "":
			fail("type", "error.bad_filter", "%.20q, want web or api", s)
		}
	}
	for _, s := range q["method"] {
		switch {
		case slices.Contains(methods, s):
			v.methods = appendNew(v.methods, s)
		case s != "":
			fail("method", "error.bad_filter", "%.20q, want one of %s", s, strings.Join(methods, ", "))
		}
	}
	for _, s := range q["status"] {
		switch i := slices.Index([]string{"1xx", "2xx", "3xx", "4xx", "5xx"}, s); {
		case i >= 0:
			v.classes = appendNew(v.classes, i+1)
		case s != "":
			fail("status", "error.bad_filter", "%.20q, want 2xx, 3xx, 4xx or 5xx", s)
		}
	}
	v.hideMe = q.Get("hide") == "me"

	var err error
	if v.rng, err = parseRange(q.Get("range"), q.Get("from"), q.Get("to"), zone); err != nil {
		fail("range", "error.bad_range", "%w", err)
	}
	if s := q.Get("sort"); s != "" {
		name, desc := strings.CutPrefix(s, "-")
		v.sort, v.asc = column(name), !desc
		if !slices.Contains(columns, v.sort) {
			fail("sort", "error.bad_filter", "%.20q, want a column, with - before it for descending", s)
			v.sort, v.asc = byTime, false
		}
	}
	number := func(name string, unless int, allowed func(int) bool) int {
		s := q.Get(name)
		if s == "" {
			return unless
		}
		n, err := strconv.Atoi(s)
		if err != nil || !allowed(n) {
			fail(name, "error.bad_filter", "%.20q is not among the accepted values", s)
			return unless
		}
		return n
	}
	v.size = number("size", defaultSize, func(n int) bool { return slices.Contains(pageSizes, n) })
	v.every = number("every", defaultEvery, func(n int) bool { return slices.Contains(refreshTimes, n) })
	v.auto = q.Get("auto") == "1"
	v.page = number("page", 1, func(n int) bool { return n >= 1 && n < 1<<31 })
	if s := q.Get("at"); s != "" {
		if v.at, err = parseInstant(s, time.UTC); err != nil {
			fail("at", "error.bad_range", "%w", err)
		}
	}
	for _, name := range []string{"past", "back"} {
		if s := q.Get(name); s != "" {
			if v.past, err = trail.ParseCursor(s); err != nil {
				fail(name, "error.bad_cursor", "%w", err)
			}
			v.back = name == "back"
		}
	}
	if v.sort != byTime && v.page*v.size > maxSortedDepth {
		fail("page", "error.too_deep", "page %d, want at most %d rows down a sorted result", v.page, maxSortedDepth)
	}
	if bad != nil {
		return v, bad
	}
	return v, nil
}

func appendNew[T comparable](s []T, v T) []T {
	if slices.Contains(s, v) {
		return s
	}
	return append(s, v)
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
	set("admin", v.user)
	set("ip", v.address)
	set("session", v.session)
	for _, i := range v.interfaces {
		q.Add("type", string(i))
	}
	for _, m := range v.methods {
		q.Add("method", m)
	}
	for _, c := range v.classes {
		q.Add("status", className(c))
	}
	if v.hideMe {
		q.Set("hide", "me")
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

func className(class int) string { return strconv.Itoa(class) + "xx" }

// first is the view's first page, made now.
func (v view) first() view {
	v.at, v.past, v.back, v.page = time.Time{}, trail.Cursor{}, false, 1
	return v
}

// url is a relative link to the view.
func (v view) url() string { return "?" + v.values().Encode() }

// filter is what the view asks of the trail for the administrator me.
func (v *view) filter(me adminsessions.User) trail.Filter {
	f := trail.Filter{
		Search: v.search, Interfaces: v.interfaces, Methods: v.methods, StatusClasses: v.classes,
		User: v.user, Address: v.address, Session: v.session,
	}
	if v.hideMe {
		f.Hide = adminsessions.User{ID: me.ID, Email: me.Email}
	}
	return f
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
