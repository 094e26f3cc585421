package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// Range is the time that a command looks at.
type Range struct {
	From    string        `default:"24h" placeholder:"TIME" help:"From when on: a time ago (30m, 24h, 7d, 2w), a date (2026-05-04), or a time (2026-05-04 12:30, or RFC 3339). Default: ${default} ago."`
	To      string        `default:"now" placeholder:"TIME" help:"Until when, written alike. Default: now."`
	Timeout time.Duration `default:"2m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
}

// window is the range, from included and to not.
func (r *Range) window(w *World, zone *time.Location) (trail.Window, error) {
	if r.Timeout < 0 {
		return trail.Window{}, usage("--timeout %v: want a duration such as 30s, or 0 for no limit", r.Timeout)
	}
	now := w.Now()
	from, err := parseTime(r.From, now, zone)
	if err != nil {
		return trail.Window{}, usage("--from: %w", err)
	}
	to := now.Add(trail.Ahead)
	if r.To != "now" {
		if to, err = parseTime(r.To, now, zone); err != nil {
			return trail.Window{}, usage("--to: %w", err)
		}
	}
	if !from.Before(to) {
		return trail.Window{}, usage("--from %s is not before --to %s", r.From, r.To)
	}
	return trail.Window{From: from.Truncate(time.Millisecond), To: to.Truncate(time.Millisecond)}, nil
}

// within limits how long Loki is asked.
func (r *Range) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, r.Timeout)
}

// timeForms are the forms of a date and of a time, besides RFC 3339.
var timeForms = []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"}

// parseTime reads a time as [Range] takes it.
func parseTime(s string, now time.Time, zone *time.Location) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if ago, err := parseAgo(s); err == nil {
		return now.Add(-ago), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return checkYear(t, s)
	}
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, s, zone); err == nil {
			return checkYear(t, s)
		}
	}
	return time.Time{}, usage("%q is no time; want a time ago such as 24h or 7d, a date such as 2026-05-04, or a time such as 2026-05-04T12:30:00Z", s)
}

// checkYear keeps times within what nanoseconds since 1970 can hold.
func checkYear(t time.Time, s string) (time.Time, error) {
	if t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}, usage("%q is out of range; want a year from 1970 to 2200", s)
	}
	return t, nil
}

// units of a time ago beyond those of time.ParseDuration.
var units = map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour}

// parseAgo reads a positive duration, also in days, weeks and years.
func parseAgo(s string) (time.Duration, error) {
	for unit, length := range units {
		if digits, ok := strings.CutSuffix(s, unit); ok {
			if n, err := strconv.ParseUint(digits, 10, 32); err == nil && n > 0 && n <= uint64(100*units["y"]/length) {
				return time.Duration(n) * length, nil
			}
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, usage("%q is no duration; want one such as 90m, 24h, 7d or 2w", s)
	}
	return d, nil
}
