package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// laterTrail is a trail whose events arrive at times of their own.
type laterTrail struct {
	now    *time.Time
	events []laterEvent
	away   func(time.Time) bool
}

type laterEvent struct {
	trail.Event
	arrives time.Time
}

func (l *laterTrail) Walk(_ context.Context, w trail.Walk) iter.Seq2[trail.Event, error] {
	return func(yield func(trail.Event, error) bool) {
		if l.away != nil && l.away(*l.now) {
			yield(trail.Event{}, errors.New("no answer"))
			return
		}
		var there []trail.Event
		for _, e := range l.events {
			if !e.arrives.After(*l.now) && !e.Time.Before(w.Window.From) && e.Time.Before(w.Window.To) {
				there = append(there, e.Event)
			}
		}
		slices.SortFunc(there, func(a, b trail.Event) int {
			if w.Forward {
				a, b = b, a
			}
			return cmp.Compare(b.Nanos, a.Nanos)
		})
		for _, e := range there {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// run follows a trail for some time and returns what was shown.
func (l *laterTrail) run(t *testing.T, limit int, from, to time.Time) (shown []string, warned int) {
	t.Helper()
	*l.now = from
	f := newFollower(l, trail.Filter{}, func(e *trail.Event) error { shown = append(shown, e.RequestID); return nil }, func() time.Time { return *l.now })
	f.limit, f.warn = limit, func(string, ...any) { warned++ }
	if err := f.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for ; l.now.Before(to); *l.now = l.now.Add(2 * time.Second) {
		if err := f.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(f.seen) > 20_000 {
			t.Fatalf("%d events are remembered", len(f.seen))
		}
	}
	return shown, warned
}

func eventAt(at, arrives time.Time, id string) laterEvent {
	return laterEvent{trail.Event{Event: adminsessions.Event{Time: at, RequestID: id}, Nanos: at.UnixNano()}, arrives}
}

// Whatever arrives within an hour is shown once, however it is delayed and however
// clocks differ.
func TestTailShowsEachEventOnce(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	var now time.Time
	l := &laterTrail{now: &now}
	var want []string
	for i := range 800 {
		at := start.Add(time.Duration(random.Int64N(int64(time.Hour))))
		delay := time.Duration(random.Int64N(int64(3 * time.Second)))
		switch random.IntN(10) {
		case 0:
			delay = time.Duration(random.Int64N(int64(55 * time.Minute))) // a backlog
		case 1:
			at = at.Add(9 * time.Minute) // a clock that is ahead
			delay -= 9 * time.Minute
		}
		id := fmt.Sprint("e", i)
		l.events = append(l.events, eventAt(at, at.Add(delay), id))
		want = append(want, id)
	}
	shown, warned := l.run(t, 0, start, start.Add(2*time.Hour+10*time.Minute))
	slices.Sort(shown)
	slices.Sort(want)
	if !slices.Equal(shown, want) || warned != 0 {
		t.Errorf("shown %d of %d, %d warnings", len(shown), len(want), warned)
	}
}

// Loki is away for three hours: what was recorded meanwhile, and is delivered
// slowly afterwards, is shown.
func TestTailOverAnOutage(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	down, up := start.Add(10*time.Minute), start.Add(3*time.Hour)
	var now time.Time
	l := &laterTrail{now: &now, away: func(t time.Time) bool { return t.After(down) && t.Before(up) }}
	for i := range 400 {
		at := start.Add(time.Duration(i) * 30 * time.Second)
		arrives := at.Add(time.Second)
		if at.After(down.Add(-2*time.Second)) && at.Before(up) {
			arrives = up.Add(time.Duration(i) * 5 * time.Second)
		}
		l.events = append(l.events, eventAt(at, arrives, fmt.Sprint("e", i)))
	}
	shown, warned := l.run(t, 0, start, start.Add(5*time.Hour))
	slices.Sort(shown)
	// The very first one was there when the tail began.
	if n := len(slices.Compact(slices.Clone(shown))); n != len(shown) || n < 399 || warned != 2 {
		t.Errorf("shown %d, %d of them different, of 400; %d warnings", len(shown), n, warned)
	}
}

// It begins with the last ones, the oldest of them first, and does not show those
// before them.
func TestTailBegins(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var now time.Time
	l := &laterTrail{now: &now}
	for i := range 30 {
		at := start.Add(-time.Duration(29-i) * 10 * time.Second)
		l.events = append(l.events, eventAt(at, at, fmt.Sprint("e", i)))
	}
	for limit, want := range map[int]string{3: "e27 e28 e29", 0: "", 100: "e0 e1"} {
		shown, _ := l.run(t, limit, start.Add(time.Second), start.Add(5*time.Minute))
		if got := strings.Join(shown, " "); !strings.HasPrefix(got, want) || limit < 30 && got != want {
			t.Errorf("limit %d: %s, want %s", limit, got, want)
		}
	}
}
