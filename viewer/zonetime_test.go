package viewer

import (
	"testing"
	"time"
)

// TestRangesAtAChangeOfClocks reads ranges where clocks go forward or back: a
// range holds everything that its reader may mean.
func TestRangesAtAChangeOfClocks(t *testing.T) {
	for _, test := range []struct{ zone, from, to, wantFrom, wantTo string }{
		// Midnight does not exist: the day before ends when clocks go forward.
		{"America/Santiago", "2026-09-05", "2026-09-05", "2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"},
		{"Africa/Cairo", "2026-04-24", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},
		{"Asia/Beirut", "2026-03-28", "2026-03-28", "2026-03-27T22:00:00Z", "2026-03-28T22:00:00Z"},
		// The hour before midnight is there twice: the day has 25 hours.
		{"America/Santiago", "2026-04-04", "2026-04-04", "2026-04-04T03:00:00Z", "2026-04-05T04:00:00Z"},
		// Midnight itself is there twice.
		{"America/Havana", "2026-11-01", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"Atlantic/Azores", "2026-10-25", "2026-10-25", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"},
		// An hour twice: both passes.
		{"Europe/Warsaw", "2026-10-25T02:15", "2026-10-25T02:45", "2026-10-25T00:15:00Z", "2026-10-25T01:45:00Z"},
		{"America/New_York", "2026-11-01T01:00", "2026-11-01T01:00:01", "2026-11-01T05:00:00Z", "2026-11-01T06:00:01Z"},
		{"Europe/Warsaw", "2026-10-25T01:59", "2026-10-25T03:00", "2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z"},
		// Half an hour twice.
		{"Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:50", "2026-04-04T14:45:00Z", "2026-04-04T15:20:00Z"},
		// An hour that is not there.
		{"Europe/Warsaw", "2026-03-29T02:30", "2026-03-29T03:15", "2026-03-29T00:30:00Z", "2026-03-29T01:15:00Z"},
		{"Europe/Warsaw", "2026-03-29T01:30", "2026-03-29T02:30", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"},
		{"Europe/Warsaw", "2026-03-29T02:10", "2026-03-29T02:20", "2026-03-29T00:10:00Z", "2026-03-29T01:20:00Z"},
		{"America/New_York", "2026-03-08T02:30", "2026-03-08T02:30", "2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"},
		// A day that is not there, and one in a zone that has no changes.
		{"Pacific/Apia", "2011-12-29", "2011-12-31", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00", "2011-12-31T01:00", "2011-12-29T22:00:00Z", "2011-12-30T11:00:00Z"},
		{"Asia/Kathmandu", "2026-05-01", "2026-05-01", "2026-04-30T18:15:00Z", "2026-05-01T18:15:00Z"},
		{"UTC", "2026-05-01T00:00", "2026-05-01", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"},
		// A time with its zone means one instant.
		{"Europe/Warsaw", "2026-10-25T02:15:00+01:00", "2026-10-25T02:45:00+01:00", "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z"},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseRange("", test.from, test.to, zone)
		if from, to := formatInstant(r.from), formatInstant(r.to); err != nil || from != test.wantFrom || to != test.wantTo {
			t.Errorf("%s: %s to %s is %s to %s (%v), want %s to %s", test.zone, test.from, test.to, from, to, err, test.wantFrom, test.wantTo)
		}
	}
}

// TestDaysHaveNoGap goes through all days of two years in zones with the oddest
// changes: each ends where the next begins.
func TestDaysHaveNoGap(t *testing.T) {
	for _, name := range []string{"America/Santiago", "Europe/Warsaw", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Tehran",
		"America/Havana", "Africa/Cairo", "Asia/Gaza", "America/Asuncion", "Pacific/Apia", "Antarctica/Troll", "America/Scoresbysund"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, year := range []int{2011, 2026} {
			last := time.Time{}
			for day := range 366 {
				w := wallClock{time.Date(year, 1, 1+day, 0, 0, 0, 0, time.UTC)}
				start, end := w.startOfDay(zone), w.nextDay().startOfDay(zone)
				if !last.IsZero() && !start.Equal(last) || start.After(end) {
					t.Errorf("%s: %s goes from %s to %s, the day before ended at %s", name, w.Format(time.DateOnly), start, end, last)
				}
				if !start.Equal(end) && !dateOf(start, zone).Equal(w.Time) || dateOf(start.Add(-1), zone).Equal(w.Time) {
					t.Errorf("%s: %s starts at %s", name, w.Format(time.DateOnly), start.In(zone))
				}
				last = end
			}
		}
	}
}
