package viewer

import (
	"strconv"
	"time"
)

// The methods of this file are what the templates ask of a page for the bar
// below the table, and for what is said of the result as a whole.

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
		v.at = p.Result.at
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

// CountText says which of how many requests the page shows.
func (p *pageData) CountText() string {
	l, n := p.L, len(p.Result.events)
	first := int64((p.V.page-1)*p.V.size) + 1
	last := first + int64(n) - 1
	switch {
	case n == 0 && !p.Result.reached.IsZero():
		return "" // nothing found so far
	case n == 0 && p.Counting:
		return ""
	case n == 0 && (p.Count == nil || p.Count.AtLeast || p.Count.AtMost):
		return l.T("count.unknown")
	case n == 0:
		return l.T("count.none", l.Number(p.Count.N))
	case p.Counting:
		return l.T("count.pending", l.Number(first), l.Number(last))
	case p.Count == nil:
		return l.T("count.many", l.Number(first), l.Number(last))
	}
	key := "count"
	switch total := p.Count; {
	case total.AtLeast && total.AtMost:
		key = "count.about"
	case total.AtLeast, p.contradicts(last):
		key = "count.at_least"
	case total.AtMost:
		key = "count.at_most"
	}
	// What arrives while the page is made is counted but not shown.
	return l.T(key, l.Number(first), l.Number(last), l.Number(max(p.Count.N, last)))
}

// contradicts reports whether there are more requests than were counted: the
// page has them, though nothing can have arrived meanwhile.
func (p *pageData) contradicts(last int64) bool {
	for i := range p.Result.events {
		if p.Result.events[i].InProgress() {
			last-- // not counted
		}
	}
	if p.Result.more {
		last++
	}
	return !p.V.rng.isRelative() && p.Count.N < last
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
	return p.L.T("search.cut", p.Instant(p.Result.reached.Time()))
}

// MoreRunningText says that not all requests in progress are shown; empty if
// they are.
func (p *pageData) MoreRunningText() string {
	if !p.Result.moreRunning {
		return ""
	}
	return p.L.T("in_progress.more")
}

// SkewText says that clocks differ; empty if they agree.
func (p *pageData) SkewText() string {
	switch {
	case p.Skew > 0:
		return p.L.T("skew.ahead", p.L.Duration(p.Skew))
	case p.Skew < 0:
		return p.L.T("skew.behind", p.L.Duration(-p.Skew))
	}
	return ""
}

// Instant writes a time of the page in the viewer's zone.
func (p *pageData) Instant(t time.Time) string {
	t = t.In(p.zone)
	return p.L.Date(t) + ", " + p.L.Clock(t)
}
