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
	if from == "" && to == "" {
		if quick == "" {
			quick = defaultRange
		}
		for _, q := range quickRanges {
			if q.name == quick {
				return timeRange{quick: quick}, nil
			}
		}
		if quick == "custom" {
			return timeRange{quick: defaultRange}, nil
		}
		return timeRange{quick: defaultRange}, fmt.Errorf("range %.20q, want one of %s", quick, quickNames())
	}
	var r timeRange
	var err error
	if from != "" {
		if r.from, err = parseInstant(from, zone); err != nil {
			return timeRange{quick: defaultRange}, err
		}
	}
	if to != "" {
		if r.to, err = parseInstant(to, zone); err != nil {
			return timeRange{quick: defaultRange}, err
		}
		if len(to) == len(time.DateOnly) {
			r.to = r.to.AddDate(0, 0, 1)
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

// instants are the forms of an instant, with a zone and without.
var (
	zonedForms = []string{time.RFC3339Nano}
	localForms = []string{"2006-01-02T15:04:05.999", "2006-01-02T15:04", time.DateTime, time.DateOnly}
)

func parseInstant(s string, zone *time.Location) (time.Time, error) {
	for _, form := range zonedForms {
		if t, err := time.Parse(form, s); err == nil {
			return inBounds(t)
		}
	}
	for _, form := range localForms {
		if t, err := time.ParseInLocation(form, s, zone); err == nil {
			return inBounds(t)
		}
	}
	return time.Time{}, fmt.Errorf("time %.40q, want the form 2006-01-02T15:04 or 2006-01-02T15:04:05Z", s)
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
// are.
func (r timeRange) window(now time.Time) trail.Window {
	now = now.Truncate(time.Millisecond)
	w := trail.Window{From: r.from, To: r.to}
	if w.To.IsZero() {
		w.To = now
		if !w.From.IsZero() && !w.From.Before(now) {
			w.To = w.From.Add(time.Millisecond) // it starts in the future: nothing yet
		}
	}
	if w.From.IsZero() {
		length := 24 * time.Hour
		for _, q := range quickRanges {
			if q.name == r.quick {
				length = q.length
			}
		}
		w.From = w.To.Add(-length)
	}
	return w
}
