package trailevents

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

// fakeSpool takes events, unless it is full; it says so beforehand if it is told
// to.
type fakeSpool struct {
	mu       sync.Mutex
	events   []*adminsessions.Event
	refused  int
	full     bool
	refusing bool
	setBack  time.Duration // by how much the clock is
}

func (s *fakeSpool) record(ev *adminsessions.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		s.refused++
		return errors.New("the spool is full")
	}
	s.events = append(s.events, ev)
	return nil
}

func (s *fakeSpool) set(full, refusing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full, s.refusing = full, refusing
}

func (s *fakeSpool) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// take returns what was recorded since it was called last.
func (s *fakeSpool) take() (list []*adminsessions.Event) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	list, s.events = s.events, nil
	return list
}

func newRecorder(t *testing.T) (*Recorder, *fakeSpool) {
	s := &fakeSpool{}
	r := New(Config{Record: s.record, Refusing: func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.refusing
	}, Now: func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return time.Now().Add(-s.setBack)
	}})
	go r.Run(t.Context())
	return r, s
}

func said(ev *adminsessions.Event) string {
	list := []string{strings.TrimPrefix(ev.Action, "trail."), string(ev.Outcome)}
	for _, a := range ev.Attributes {
		if v := a.Value.String(); !slices.Contains([]string{"since", "away_since", "version", "clock"}, string(a.Key)) && v != "" {
			list = append(list, string(a.Key)+"="+v)
		}
	}
	return strings.Join(list, " ") + ": " + ev.Note
}

// What happens often is one event a minute, which counts.
func TestOneEventAMinuteOfEachKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRecorder(t)
		var all []*adminsessions.Event
		for n := uint64(1); n <= 600; n++ { // ten minutes
			r.Dropped(spool.ReasonSpoolFull, n)
			r.Dropped(spool.ReasonReserved, 0) // uses up no number
			if n%2 == 0 {
				r.Dropped(spool.ReasonDiskFull, n)
			}
			time.Sleep(time.Second)
			all = append(all, s.take()...)
		}
		time.Sleep(time.Hour)
		all = append(all, s.take()...)
		told := map[string]uint64{}
		for _, ev := range all {
			count, reason := uint64(1), ""
			for _, a := range ev.Attributes {
				switch a.Key {
				case "count":
					count = uint64(a.Value.AsInt64())
				case "reason":
					reason = a.Value.AsString()
				}
			}
			told[reason] += count
		}
		if len(all) > 2*11 || told["spool_full"] != 600 || told["disk_full"] != 300 || len(told) != 2 {
			t.Errorf("%d events tell of %v", len(all), told)
		}
		if n := r.Counts()[dropped]; n != uint64(len(all)) {
			t.Errorf("%d are counted of %d", n, len(all))
		}
		if got := said(all[2]); !strings.HasPrefix(got, "dropped failure reason=spool_full count=") || !strings.Contains(got, " first_number=2 last_number=6") {
			t.Errorf("the second one of the first kind is %s", got)
		}
	})
}

// While the spool refuses events none is tried; one that it refuses nevertheless is
// kept, with what comes meanwhile.
func TestNothingIsLostWhileTheSpoolRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRecorder(t)
		s.set(true, true)
		for n := uint64(1); n <= 100; n++ {
			r.Dropped(spool.ReasonSpoolFull, n)
			time.Sleep(time.Minute)
		}
		if n := s.tried(); n != 0 {
			t.Errorf("%d were tried in a spool that refuses", n)
		}
		s.set(true, false)
		time.Sleep(time.Minute)
		r.Dropped(spool.ReasonSpoolFull, 101)
		time.Sleep(time.Minute)
		if n := s.tried(); n == 0 || n > 20 {
			t.Errorf("%d were tried in two minutes", n)
		}
		if err := r.Checkpoint(1, []byte("signed")); err == nil {
			t.Error("a checkpoint is in a spool that is full")
		}
		s.set(false, false)
		time.Sleep(refusedPause)
		list := s.take()
		if len(list) != 1 || !strings.Contains(said(list[0]), "count=101 first_number=1 last_number=101") {
			t.Errorf("%d events, the first %s", len(list), said(list[0]))
		}
	})
}

// What waits is written at the end, before the last event; and a clock that was set
// back holds up nothing.
func TestTheEndAndTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRecorder(t)
		r.ClockSkew(time.Hour)
		s.take()
		r.ClockSkew(-time.Hour)
		if list := s.take(); len(list) != 0 {
			t.Fatalf("two in a minute: %s", said(list[0]))
		}
		r.Stopped()
		list := s.take()
		if len(list) != 2 || said(list[0]) != "clock_skew failure clock_ahead_seconds=-3600: this machine's clock is 1h0m0s behind loki's" || said(list[1]) != "stopped success: the trail was stopped" {
			t.Errorf("%d events at the end", len(list))
		}
		s.mu.Lock()
		s.setBack = 24 * time.Hour
		s.mu.Unlock()
		r.ClockSkew(24 * time.Hour)
		if list := s.take(); len(list) != 1 {
			t.Errorf("%d events after the clock was set back", len(list))
		}
	})
}

// Every event that there is, as it stands in the trail.
func TestWhatTheEventsSay(t *testing.T) {
	before := &proof.Predecessor{Origin: proof.OriginPrefix + "b", Size: 7}
	synctest.Test(t, func(t *testing.T) {
		r, s := newRecorder(t)
		seen := map[string]bool{}
		for _, c := range []struct {
			tell func()
			want string
		}{
			{func() {
				r.Started(Start{Opened: spool.Opened{New: true}, Folder: "/spool", Sync: "interval", Full: "drop", Proof: "off"})
			}, "started success spool=new backlog=0 sync=interval full=drop folder=/spool at_rest=plain proof=off: the trail was started, with a new log"},
			{func() { r.Started(Start{Opened: spool.Opened{Clean: true, Backlog: 3}, Encrypted: true}) },
				"started success spool=closed backlog=3 at_rest=encrypted: the trail was started"},
			{func() { r.Started(Start{}) }, "started success spool=not_closed backlog=0 at_rest=plain: the trail was started; the process before was killed"},
			{func() { r.Dropped(spool.ReasonIOError, 5) }, "dropped failure reason=io_error count=1 first_number=5 last_number=5: 1 event lost: the disk failed"},
			{func() { r.Damaged(spool.Damage{Reason: spool.DamageRecord, File: "1.seg", Records: 2}) },
				"dropped failure reason=damaged count=2 damage=record file=1.seg: 2 events lost: the spool was damaged"},
			{func() { r.Damaged(spool.Damage{Reason: spool.DamageCursor}) }, ""}, // nothing was lost
			{func() { r.SpoolLost("vanished", "it is gone", before) }, "spool_lost failure reason=vanished predecessor=b predecessor_size=7: it is gone"},
			{func() { r.SpoolLost("copied", "it is a copy", nil) }, "spool_lost failure reason=copied: it is a copy"},
			{func() { r.Quarantined(spooled.Refused{Reason: "refused", Answer: "no", Sequence: 4}) },
				"quarantined failure reason=refused count=1 first_number=4 last_number=4 answer=no: 1 event in quarantine: loki refuses them"},
			{func() { r.DeliveredLate("a", []proof.RecordedLeaf{{Number: 9}, {Number: 4}}) },
				"quarantined success reason=delivered_late count=2 first_number=4 last_number=9 log=a leaves.00=4:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= 9:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=: 2 events delivered out of quarantine"},
			{func() { r.LokiAway(time.Now(), errors.New("no route"), 8) },
				"loki_away error error=no route backlog=8: loki has not taken events since 2000-01-01T00:00:00Z"},
			{func() { r.LokiBack(time.Now().Add(-time.Minute), 8) }, "loki_back success away_seconds=60 backlog=8: loki takes events again after 1m0s"},
			{func() { r.ClockSkew(2 * time.Minute) }, "clock_skew failure clock_ahead_seconds=120: this machine's clock is 2m0s ahead of loki's"},
			{func() { _ = r.Checkpoint(118, []byte("signed")) }, "checkpoint success size=118: checkpoint of 118 events"},
			{r.Stopped, "stopped success: the trail was stopped"},
		} {
			c.tell()
			list := s.take()
			if c.want == "" && len(list) == 0 {
				continue
			}
			if len(list) != 1 || said(list[0]) != c.want {
				t.Fatalf("%d events\n%s\nwant\n%s", len(list), said(list[0]), c.want)
			}
			ev := list[0]
			if ev.Type != adminsessions.Trail || ev.Actor.Type != adminsessions.ActorSystem || len(ev.RequestID) != 32 || ev.Time.IsZero() || ev.Anonymous() {
				t.Errorf("%+v", ev)
			}
			if folder := Folder(ev); (folder != "") != strings.Contains(c.want, "folder=") {
				t.Errorf("%s: folder %q", ev.Action, folder)
			}
			seen[strings.TrimPrefix(ev.Action, "trail.")] = true
		}
		for action, n := range r.Counts() {
			if !seen[action] || n == 0 {
				t.Errorf("there is no %s, or it is not counted", action)
			}
		}
		if len(r.Counts()) != len(seen) {
			t.Errorf("%v are counted, %v written", r.Counts(), seen)
		}
	})
}
