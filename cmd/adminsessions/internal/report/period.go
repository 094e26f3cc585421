package report

import (
	"fmt"
	"time"
)

// Bounds are the first moments of a period and of the one after it: the calendar's
// day, the week from Monday on, or the month, in which a moment lies.
func Bounds(period string, at time.Time) (from, to time.Time) {
	y, m, d := at.Date()
	zone := at.Location()
	switch period {
	case "week":
		d -= (int(at.Weekday()) + 6) % 7
		return time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+7, 0, 0, 0, 0, zone)
	case "month":
		return time.Date(y, m, 1, 0, 0, 0, 0, zone), time.Date(y, m+1, 1, 0, 0, 0, 0, zone)
	default:
		return time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)
	}
}

// Last are the bounds of the last period that is over.
func Last(period string, now time.Time) (from, to time.Time) {
	from, _ = Bounds(period, now)
	return Bounds(period, from.Add(-time.Second))
}

// Title names the period.
func (r *Report) Title() string {
	switch r.Period {
	case "week":
		year, week := r.From.ISOWeek()
		return fmt.Sprintf("Week %d of %d, from %s", week, year, r.From.Format("2 January"))
	case "month":
		return r.From.Format("January 2006")
	default:
		return r.From.Format("Monday, 2 January 2006")
	}
}

// Summary is the report in a sentence.
func (r *Report) Summary() string {
	s := fmt.Sprintf("%s of %s, %d that changed something, %d denied, %s",
		count(r.Events, "request or act", "requests and acts"), count(len(r.Admins)+r.More.Admins, "administrator", "administrators"),
		r.Changes, r.Denied, count(len(r.NewAddresses)+r.More.NewAddresses, "new address", "new addresses"))
	if r.Missing > 0 {
		s += fmt.Sprintf(", %d missing", r.Missing)
	}
	return s
}

func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
