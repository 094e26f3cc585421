package exporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"

	"github.com/adminsessions/adminsessions/internal/loki"
)

const day = 24 * time.Hour

// strictLoki refuses entries for their times as Loki does, in its words, and
// stores the others.
type strictLoki struct {
	fakeLoki

	ahead   atomic.Int64 // of the true time, its clock
	maxAge  time.Duration
	grace   time.Duration
	window  time.Duration // half of max_chunk_age
	highest map[string]time.Time
	nothing bool          // nothing of a refused push is stored
	dateOff time.Duration // what its Date is off by, as a proxy's may be
	away    atomic.Bool
}

func newStrictLoki(t *testing.T) *strictLoki {
	l := &strictLoki{maxAge: 7 * day, grace: 10 * time.Minute, window: time.Hour, highest: map[string]time.Time{}}
	l.t = t
	l.clock = func() time.Time { return l.time().Add(l.dateOff) }
	l.answer = l.check
	return l
}

func (l *strictLoki) time() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }

func (l *strictLoki) check(r received) loki.Answer {
	if l.away.Load() {
		return away()
	}
	now := l.time()
	tooOld := func(e push.Entry) bool { return e.Timestamp.Before(now.Add(-l.maxAge)) }
	tooNew := func(e push.Entry) bool { return e.Timestamp.After(now.Add(l.grace)) }
	oldest := now.Add(-l.maxAge).UTC().Format(time.RFC3339)
	err1 := refusal(r, "entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: "+oldest, tooOld)
	err2 := refusal(r, "entry for stream '%s' has timestamp too new: %s", tooNew)
	var behind []string
	ignored := 0
	var stored []push.Entry
	for _, e := range r.entries {
		if tooOld(e) || tooNew(e) {
			continue
		}
		high := l.highest[r.labels]
		if cutoff := high.Add(-l.window); e.Timestamp.Before(cutoff) {
			if ignored++; ignored <= 10 {
				behind = append(behind, fmt.Sprintf("entry with timestamp %s ignored, reason: 'entry too far behind, entry timestamp is: %s, oldest acceptable timestamp is: %s',\n",
					e.Timestamp.UTC(), e.Timestamp.UTC().Format(time.RFC3339), cutoff.UTC().Format(time.RFC3339)))
			}
			continue
		}
		if e.Timestamp.After(high) {
			l.highest[r.labels] = e.Timestamp
		}
		stored = append(stored, e)
	}
	err := errors.Join(err1, err2)
	if ignored > 0 {
		err = fmt.Errorf("%suser 'fake', total ignored: %d out of %d for stream: %s", strings.Join(behind, ""), ignored, len(r.entries), r.labels)
	}
	if err == nil {
		return taken
	}
	if !l.nothing {
		l.store(r.labels, stored...)
	}
	return loki.Classify(400, strings.ReplaceAll(err.Error(), "'\n", "'; ")) // errors.Join parts by a line feed
}

// panel is an exporter on a machine whose clock can be set.
type panel struct {
	*Exporter
	ahead atomic.Int64
}

func (p *panel) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())).Round(0) }

func newPanel(t *testing.T, l lokiClient, dir string, ahead time.Duration, opts ...Option) *panel {
	p := &panel{}
	p.ahead.Store(int64(ahead))
	p.Exporter = startOver(t, l, dir, append(opts, func(c *config) { c.now = p.now })...)
	return p
}

func (p *panel) emit(t *testing.T, n int) {
	for range n {
		emitAt(t, p.Exporter, p.now())
	}
}

// Whatever the clocks: every event is delivered, once, and says when it arrived
// by the panel's clock.
func TestAClockCostsNoEvent(t *testing.T) {
	offsets := []time.Duration{5 * time.Minute, 11 * time.Minute, time.Hour, 30 * day}
	type step struct{ panel, loki time.Duration }
	tests := map[string][]step{"right": {{}, {}}}
	for _, d := range offsets {
		tests["panel ahead "+d.String()] = []step{{panel: d}, {panel: d}, {panel: d}}
		tests["panel behind "+d.String()] = []step{{panel: -d}, {panel: -d}, {panel: -d}}
		tests["panel ahead, then right "+d.String()] = []step{{panel: d}, {}, {}}
		tests["panel behind, then right "+d.String()] = []step{{panel: -d}, {}, {}}
		tests["panel back and forth "+d.String()] = []step{{}, {panel: d}, {}, {panel: -d}, {}, {panel: d}, {panel: -d}, {}}
		tests["loki ahead "+d.String()] = []step{{loki: d}, {loki: d}}
		tests["loki behind "+d.String()] = []step{{loki: -d}, {loki: -d}}
		tests["loki ahead in between "+d.String()] = []step{{}, {loki: d}, {loki: d}}
		tests["loki behind in between "+d.String()] = []step{{}, {loki: -d}, {}}
		tests["both "+d.String()] = []step{{panel: d, loki: -d}, {panel: -d, loki: d}}
	}
	for name, steps := range tests {
		for _, nothing := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " nothing stored ", nothing), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					dir := t.TempDir()
					l := newStrictLoki(t)
					l.nothing = nothing
					p := newPanel(t, l, dir, steps[0].panel)
					n := 0
					for _, s := range steps {
						p.ahead.Store(int64(s.panel))
						l.ahead.Store(int64(s.loki))
						for range 3 {
							p.emit(t, 10)
							n += 10
							time.Sleep(20 * time.Second)
						}
					}
					time.Sleep(30 * time.Minute)
					synctest.Wait()
					l.fakeLoki.check(n, false)
					s := p.Stats()
					if s.BacklogEvents != 0 || len(readQuarantine(t, dir)) != 0 {
						t.Errorf("backlog %d, quarantine %v", s.BacklogEvents, s.Quarantined)
					}
					if pushes := len(l.received()); pushes > 4*n {
						t.Errorf("%d pushes for %d events", pushes, n)
					}
					shutdown(t, p.Exporter)
				})
			})
		}
	}
}

func (l *strictLoki) Stored() []push.Entry {
	var all []push.Entry
	for _, e := range l.entries() {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b push.Entry) int { return a.Timestamp.Compare(b.Timestamp) })
	return all
}

// With a clock that is an hour ahead, entries stand where they happened, by
// Loki's clock, and say what the panel's clock said.
func TestEntriesOfAClockAheadStandWhereTheyHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newStrictLoki(t)
		log, text := logOf()
		p := newPanel(t, l, t.TempDir(), time.Hour, WithLogger(log))
		began := time.Now()
		for range 100 {
			p.emit(t, 1)
			time.Sleep(10 * time.Second)
		}
		shutdown(t, p.Exporter)
		l.fakeLoki.check(100, true)
		for i, e := range l.Stored() {
			happened := began.Add(time.Duration(i) * 10 * time.Second)
			if d := e.Timestamp.Sub(happened).Abs(); d > 5*time.Second {
				t.Errorf("entry %d is off by %v", i, d)
			}
			if at := parse(t, e).Time; !at.Equal(happened.Add(time.Hour)) {
				t.Errorf("entry %d says that it arrived at %v, want the panel's time", i, at)
			}
		}
		if s := p.Stats(); s.ClockSkew != time.Hour || s.Retimed < 99 {
			t.Errorf("skew %v, %d retimed", s.ClockSkew, s.Retimed)
		}
		if n := len(l.received()); n > 105 {
			t.Errorf("%d pushes for 100 events: it does not learn", n)
		}
		if out := text(); strings.Count(out, "clocks differ")+strings.Count(out, "machine's clock and loki's differ") != 1 || strings.Count(out, "\n") > 8 {
			t.Errorf("log:\n%s", out)
		}
	})
}

// A backlog older than Loki takes is stored as old as it takes.
func TestABacklogThatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newStrictLoki(t)
		l.away.Store(true)
		p := newPanel(t, l, t.TempDir(), 0, WithBackoff(time.Second, time.Hour), WithSyncInterval(time.Minute))
		for range 10 {
			p.emit(t, 100)
			time.Sleep(day)
		}
		l.away.Store(false)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		l.fakeLoki.check(1000, false)
		moved := 0
		for _, e := range l.Stored() {
			if at := parse(t, e).Time; !at.Equal(e.Timestamp) {
				moved++
				if age := time.Since(e.Timestamp); age > 7*day+3*time.Hour || age < 6*day {
					t.Errorf("an event of %v ago stands at %v ago", time.Since(at), age)
				}
			}
		}
		if moved != 300 && moved != 400 {
			t.Errorf("%d events moved, want those of the three days that are too old", moved)
		}
		shutdown(t, p.Exporter)
	})
}

// A server that refuses whatever time it is given, for a while, does not drive
// events far from where they happened.
func TestTimesRefusedForNoReason(t *testing.T) {
	for name, words := range map[string]string{
		"too new": "entry for stream '%s' has timestamp too new: %s",
		"too old": "entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: 2000-01-01T00:00:00Z",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var gone atomic.Bool
				l := &fakeLoki{t: t}
				l.answer = func(r received) loki.Answer {
					if err := refusal(r, words, func(push.Entry) bool { return true }); err != nil && !gone.Load() {
						return loki.Classify(400, err.Error())
					}
					return taken
				}
				x := startOver(t, l, t.TempDir())
				emit(t, x, 50)
				time.Sleep(6 * time.Hour)
				if n := len(l.received()); n > 1500 {
					t.Errorf("%d pushes", n)
				}
				gone.Store(true)
				time.Sleep(time.Hour)
				synctest.Wait()
				l.check(50, false)
				for _, e := range l.entries() {
					if d := e.Timestamp.Sub(parse(t, e).Time).Abs(); d > 7*time.Hour {
						t.Errorf("an event was moved by %v", d)
					}
				}
				shutdown(t, x)
			})
		})
	}
}

// A proxy's Date may be wrong; then it is Loki's refusals that count.
func TestADateThatIsNotLokis(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour, 40 * day} {
		for _, ahead := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprint(off, ahead), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newStrictLoki(t)
					l.dateOff = off
					p := newPanel(t, l, t.TempDir(), ahead)
					for range 20 {
						p.emit(t, 5)
						time.Sleep(30 * time.Second)
					}
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					l.fakeLoki.check(100, false)
					if ahead == 0 {
						for _, e := range l.Stored() {
							if strings.Contains(e.Line, " at=") {
								t.Fatalf("an event was moved though every clock but the proxy's is right: %q", e.Line)
							}
						}
					}
					shutdown(t, p.Exporter)
				})
			})
		}
	}
}

// Killed between a push and its acknowledgement: what was given other times comes
// again with the same ones.
func TestOtherTimesSurviveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := newStrictLoki(t)
		var killed atomic.Bool
		reached := make(chan struct{})
		hold := make(chan struct{})
		l.answer = func(r received) loki.Answer {
			a := l.check(r)
			if a.Verdict == loki.Acknowledged {
				l.store(r.labels, r.entries...)
				if killed.CompareAndSwap(false, true) {
					close(reached)
					<-hold
					return away()
				}
			}
			return a
		}
		p := newPanel(t, l, dir, time.Hour)
		p.emit(t, 50)
		<-reached
		p.stop()
		close(hold)
		kill(t, p.Exporter)
		time.Sleep(time.Minute)
		p = newPanel(t, l, dir, time.Hour)
		p.emit(t, 50)
		time.Sleep(time.Minute)
		shutdown(t, p.Exporter)
		l.fakeLoki.check(100, false)
	})
}

// FuzzTimes: whatever the spool's times and the clocks, an entry's time is one
// that Loki takes once its limits are known.
func FuzzTimes(f *testing.F) {
	f.Add(int64(0), int64(3600), int64(-3600), true)
	f.Add(int64(-1e6), int64(1e6), int64(5), false)
	f.Fuzz(func(t *testing.T, a, b, skew int64, limited bool) {
		now := time.Unix(1_800_000_000, 0)
		loki := now.Add(time.Duration(skew%1e7) * time.Second)
		c := times{now: func() time.Time { return now }, loki: func() (time.Time, bool) { return loki, true }, limited: limited, ahead: maxAhead, maxAge: 7 * day}
		c.look()
		for _, s := range []int64{a, b, a, b, b, a} {
			got := time.Unix(0, c.next(now.Add(time.Duration(s%1e8)*time.Second).UnixNano()))
			if limited && got.After(loki.Add(maxAhead+time.Second)) {
				t.Errorf("%v is %v ahead of loki", got, got.Sub(loki))
			}
			if got.Before(loki.Add(-7*day - time.Second)) {
				t.Errorf("%v is %v behind loki", got, loki.Sub(got))
			}
		}
	})
}

func TestTimesKeepTheOrderOfTheSpool(t *testing.T) {
	now := time.Now()
	c := times{now: func() time.Time { return now }, loki: func() (time.Time, bool) { return now, true }}
	c.look()
	var last int64
	for _, d := range []time.Duration{-time.Hour, -time.Hour + 1, -time.Minute, -time.Minute + 1, 0, time.Second} {
		got := c.next(now.Add(d).UnixNano())
		if got != now.Add(d).UnixNano() || got <= last {
			t.Errorf("%v became %v", d, time.Unix(0, got).Sub(now))
		}
		last = got
	}
}
