package viewer

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// quickRanges are the ranges to choose from, as they stand in the URL.
var quickRanges = []quickRange{
	{"15m", 15 * time.Minute},
	{"1h", time.Hour},
	{"6h", 6 * time.Hour},
	{"24h", 24 * time.Hour},
	{"7d", 7 * 24 * time.Hour},
	{"30d", 30 * 24 * time.Hour},
	{"90d", 90 * 24 * time.Hour},
}

const defaultRange = "24h"

type quickRange struct {
	name   string
	length time.Duration
}

// timeRange is a span of time: one of the quick ranges up to now, or from one
// instant to another. One without a start is as long as the default range, one
// without an end lasts until now.
type timeRange struct {
	quick    string
	from, to time.Time
}

// parseRange reads a range. Times are RFC 3339, or as an input of the type
// datetime-local gives them, and then in zone; a day alone is its first moment,
// and as an end the whole day is meant.
func parseRange(quick, from, to string, zone *time.Location) (timeRange, error) {
	unless := timeRange{quick: defaultRange}
	if from == "" && to == "" {
		if quick == "" || quick == "custom" {
			return unless, nil
		}
		for _, q := range quickRanges {
			if q.name == quick {
				return timeRange{quick: quick}, nil
			}
		}
		return unless, fmt.Errorf("range %.20q, want one of %s", quick, quickNames())
	}
	var r timeRange
	var err error
	if from != "" {
		if r.from, _, err = parseInstant(from, zone); err != nil {
			return unless, err
		}
	}
	if to != "" {
		if _, r.to, err = parseInstant(to, zone); err != nil {
			return unless, err
		}
	}
	if !r.from.IsZero() && !r.to.IsZero() && !r.from.Before(r.to) {
		return r, errors.New("the end must be after the start")
	}
	return r, nil
}

func quickNames() string {
	names := make([]string, len(quickRanges))
	for i, q := range quickRanges {
		names[i] = q.name
	}
	return strings.Join(names, ", ")
}

// localForms are the forms of an instant without a zone.
var localForms = []string{"2006-01-02T15:04:05.999", "2006-01-02T15:04", time.DateTime}

// parseInstant reads a time, and returns what it is as a start and as an end.
// The two differ for a day, and for a time that clocks in the zone show twice, or
// never.
func parseInstant(s string, zone *time.Location) (start, end time.Time, err error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		t, err = inBounds(t)
		return t, t, err
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		day := wallClock{t}
		start, end = day.startOfDay(zone), day.nextDay().startOfDay(zone)
	} else if t, ok := parseLocal(s); ok {
		start, end = t.meanings(zone)
	} else {
		return start, end, fmt.Errorf("time %.40q, want the form 2006-01-02T15:04 or 2006-01-02T15:04:05Z", s)
	}
	if start, err = inBounds(start); err == nil {
		end, err = inBounds(end)
	}
	return start, end, err
}

func parseLocal(s string) (wallClock, bool) {
	for _, form := range localForms {
		if t, err := time.Parse(form, s); err == nil {
			return wallClock{t}, true
		}
	}
	return wallClock{}, false
}

// inBounds refuses what does not fit into Unix nanoseconds.
func inBounds(t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y < 2000 || y > 2200 {
		return time.Time{}, fmt.Errorf("year %d, want 2000 to 2200", y)
	}
	return t.Truncate(time.Millisecond), nil
}

func formatInstant(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// set puts the range into a URL's query, unless it is the default.
func (r timeRange) set(q url.Values) {
	if !r.from.IsZero() {
		q.Set("from", formatInstant(r.from))
	}
	if !r.to.IsZero() {
		q.Set("to", formatInstant(r.to))
	}
	if r.from.IsZero() && r.to.IsZero() && r.quick != defaultRange {
		q.Set("range", r.quick)
	}
}

// isRelative reports whether the range moves with the clock.
func (r timeRange) isRelative() bool { return r.to.IsZero() }

// isCustom reports whether the range is other than a quick one.
func (r timeRange) isCustom() bool { return !r.from.IsZero() || !r.to.IsZero() }

// window is the range at the time now, in whole milliseconds, as Loki's ranges
// are. One with an open end reaches past now: to a clock that is ahead now is
// later.
func (r timeRange) window(now time.Time) trail.Window {
	now = now.Truncate(time.Millisecond)
	w := trail.Window{From: r.from, To: r.to}
	if w.From.IsZero() {
		length := 24 * time.Hour
		for _, q := range quickRanges {
			if q.name == r.quick {
				length = q.length
			}
		}
		if w.To.IsZero() {
			w.From = now.Add(-length)
		} else {
			w.From = w.To.Add(-length)
		}
	}
	if w.To.IsZero() {
		w.To = now.Add(trail.Ahead)
		if !w.From.Before(w.To) {
			w.To = w.From.Add(time.Millisecond) // it starts in the future: nothing yet
		}
	}
	return w
}
