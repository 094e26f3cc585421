package viewer

import (
	"slices"
	"time"
)

// A wall clock goes back once a year in many zones, so an hour is there twice,
// and forward, so an hour is not there at all. A range must find what its reader
// means by it: it starts at the earliest instant that its start can mean and ends
// at the latest that its end can mean.

// wallClock is a time as a clock on the wall shows it: only its date and its
// time of day count, not its location.
type wallClock struct{ time.Time }

// meanings returns the earliest and the latest instant at which clocks in zone
// show w. While clocks go forward they never show some times; such a time means
// what clocks would show had they gone forward later, or earlier.
func (w wallClock) meanings(zone *time.Location) (earliest, latest time.Time) {
	shown := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), time.UTC)
	var does, would []time.Time // when clocks show it, and would
	for _, offset := range offsetsAround(shown, zone) {
		at := shown.Add(-offset)
		would = append(would, at)
		if offsetAt(at, zone) == offset {
			does = append(does, at)
		}
	}
	if len(does) > 0 {
		would = does
	}
	return slices.MinFunc(would, time.Time.Compare), slices.MaxFunc(would, time.Time.Compare)
}

// startOfDay is the first instant of w's day in zone. A day need not start at
// midnight, and it ends where the next one starts.
func (w wallClock) startOfDay(zone *time.Location) time.Time {
	midnight := wallClock{time.Date(w.Year(), w.Month(), w.Day(), 0, 0, 0, 0, time.UTC)}
	earliest, latest := midnight.meanings(zone)
	if offsetAt(earliest, zone) == midnight.Sub(earliest) {
		return earliest
	}
	// Clocks go forward over midnight: the day starts when they do.
	for at := earliest; ; {
		_, end := at.In(zone).ZoneBounds()
		if end.IsZero() || end.After(latest) {
			return latest
		}
		if !dateOf(end, zone).Before(midnight.Time) {
			return end
		}
		at = end
	}
}

// nextDay is the day after w's.
func (w wallClock) nextDay() wallClock {
	return wallClock{time.Date(w.Year(), w.Month(), w.Day()+1, 0, 0, 0, 0, time.UTC)}
}

// offsetsAround are the offsets that zone has within a day and a half of a time,
// which is further than any two of them are apart.
func offsetsAround(shown time.Time, zone *time.Location) []time.Duration {
	const reach = 36 * time.Hour
	var offsets []time.Duration
	for at := shown.Add(-reach); ; {
		offsets = append(offsets, offsetAt(at, zone))
		_, end := at.In(zone).ZoneBounds()
		if end.IsZero() || end.After(shown.Add(reach)) {
			return offsets
		}
		at = end
	}
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

func dateOf(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
