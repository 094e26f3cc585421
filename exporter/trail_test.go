package exporter

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// actions are the actions of events, without "trail.".
func actions(events []adminsessions.Event) (list []string) {
	for _, ev := range events {
		list = append(list, strings.TrimPrefix(ev.Action, "trail."))
	}
	return list
}

// only returns the trail's own events of one action.
func (l *fakeLoki) only(action string) []adminsessions.Event {
	return slices.DeleteFunc(l.trail(), func(ev adminsessions.Event) bool { return ev.Action != "trail."+action })
}

func attr(ev adminsessions.Event, key string) string {
	for _, a := range ev.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func TestTheTrailSaysThatItWasStartedAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := &fakeLoki{t: t}
		x := startOver(t, l, dir)
		emit(t, x, 2)
		x.BeforeShutdown(func() { emit(t, x, 1) })
		shutdown(t, x)
		x = startOver(t, l, dir)
		emit(t, x, 1)
		kill(t, x)
		x = startOver(t, l, dir)
		shutdown(t, x)
		l.check(4, true)

		events := l.trail()
		if got, want := actions(events), []string{"started", "stopped", "started", "started", "stopped"}; !slices.Equal(got, want) {
			t.Fatalf("the trail says %v, want %v", got, want)
		}
		if events[0].Sequence != 1 || events[1].Sequence != 5 {
			t.Errorf("started has number %d, stopped %d; want the first and the last", events[0].Sequence, events[1].Sequence)
		}
		for i, want := range []string{"new", "", "closed", "closed", ""} {
			ev := events[i]
			if attr(ev, "spool") != want || ev.Type != adminsessions.Trail || ev.Actor.Type != adminsessions.ActorSystem ||
				ev.Outcome != adminsessions.OutcomeSuccess || len(ev.RequestID) != 32 || ev.Note == "" || !ev.User.IsZero() {
				t.Errorf("%+v; want spool=%q", ev, want)
			}
		}
		if ev := events[2]; attr(ev, "version") == "" || attr(ev, "clock") == "" || attr(ev, "backlog") != "0" {
			t.Errorf("%+v", ev)
		}
	})
}

// Events that are lost are told when there is room again, in few events, which are
// never lost themselves.
func TestTheTrailTellsOfDroppedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var isAway atomic.Bool
		isAway.Store(true)
		l := &fakeLoki{t: t, answer: func(received) loki.Answer {
			if isAway.Load() {
				return away()
			}
			return taken
		}}
		x := startOver(t, l, t.TempDir(), WithSpoolLimit(minSpoolLimit))
		lost := 0
		for i := range 4000 {
			ev := testEvent
			ev.Time = time.Now()
			ev.Note = "event " + strconv.Itoa(i)
			if err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled); errors.Is(err, adminsessions.ErrRefused) {
				lost++
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(20 * time.Minute)
		if n := int(x.Stats().Dropped["spool_full"]); lost == 0 || n > lost+2 {
			t.Errorf("%d events lost, %d counted: the trail has lost its own", lost, n)
		}
		isAway.Store(false)
		time.Sleep(10 * time.Minute)
		total := int(x.Stats().Dropped["spool_full"])
		shutdown(t, x)
		told, first, last := 0, uint64(0), uint64(0)
		for _, ev := range l.only("dropped") {
			n, _ := strconv.Atoi(attr(ev, "count"))
			told += max(n, 1)
			first, _ = strconv.ParseUint(attr(ev, "first_number"), 10, 64)
			last, _ = strconv.ParseUint(attr(ev, "last_number"), 10, 64)
			if attr(ev, "reason") != "spool_full" || ev.Outcome != adminsessions.OutcomeFailure || !strings.Contains(ev.Note, "the spool was full") {
				t.Errorf("%+v", ev)
			}
		}
		if told != total || first == 0 || last < first || last > x.Stats().SpoolSequence {
			t.Errorf("the trail tells of %d lost events, %d to %d; want %d", told, first, last, total)
		}
		if n := len(l.only("dropped")); n > 3 {
			t.Errorf("%d events about lost ones", n)
		}
	})
}

func TestTheTrailTellsThatLokiWasAway(t *testing.T) {
	for name, tt := range map[string]struct {
		away time.Duration
		told int
	}{"for an hour": {time.Hour, 1}, "for half a minute": {30 * time.Second, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now().Add(time.Minute)
				l := &fakeLoki{t: t, answer: func(received) loki.Answer {
					if now := time.Now(); now.After(start) && now.Before(start.Add(tt.away)) {
						return away()
					}
					return taken
				}}
				x := startOver(t, l, t.TempDir())
				for range 120 {
					emit(t, x, 1)
					time.Sleep(time.Minute)
				}
				shutdown(t, x)
				gone, back := l.only("loki_away"), l.only("loki_back")
				if len(gone) != tt.told || len(back) != tt.told {
					t.Fatalf("told %d times that loki is away, %d times that it is back; want %d", len(gone), len(back), tt.told)
				}
				if tt.told > 0 && (!strings.Contains(attr(gone[0], "error"), "loki is away") || attr(back[0], "away_seconds") == "") {
					t.Errorf("%+v\n%+v", gone[0], back[0])
				}
			})
		})
	}
}

// A Loki that comes and goes does not fill the trail.
func TestTheTrailsOwnEventsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := &fakeLoki{t: t, clock: func() time.Time { return time.Now().Add(-3 * time.Minute) }}
		l.answer = func(r received) loki.Answer {
			if int(time.Since(start).Seconds())%70 < 65 {
				return away()
			}
			return taken
		}
		x := startOver(t, l, t.TempDir())
		for i := range 3600 {
			emit(t, x, 1)
			x.trail.Quarantined(spooled.Refused{Reason: quarantineRefused, Sequence: uint64(i + 1)})
			time.Sleep(time.Second)
		}
		kill(t, x)
		n := owns(x.Stats())
		if n < 60 || n > 60*5 {
			t.Errorf("%d events of the trail's own in an hour: %v", n, x.Stats().Trail)
		}
		if n := x.Stats().Trail["clock_skew"]; n < 1 || n > 2 {
			t.Errorf("%d events about the clock in an hour", n)
		}
	})
}

func TestTheTrailTellsOfACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, other := filepath.Join(t.TempDir(), "spool"), filepath.Join(t.TempDir(), "spool")
		l := &fakeLoki{t: t}
		shutdown(t, startOver(t, l, dir))
		if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		x := startOver(t, l, other)
		time.Sleep(time.Second)
		shutdown(t, x)
		lost := l.only("spool_lost")
		if len(lost) != 1 || attr(lost[0], "reason") != "copied" || lost[0].Outcome != adminsessions.OutcomeFailure {
			t.Errorf("the trail says of the copy: %+v", lost)
		}
	})
}
