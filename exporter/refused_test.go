package exporter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// bodies are what stands between the exporter and Loki says, and Loki of a
// request as a whole: none of them blames an entry.
var bodies = map[string]string{
	"empty":   "",
	"html":    "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head><body>nginx</body></html>",
	"json":    `{"code":400,"message":"No required SSL certificate was sent"}`,
	"blocked": "ingestion blocked for user 'panel' until '2030-01-01T00:00:00Z' with status code '400'",
	"labels":  `missing required labels 'team' for user 'panel' for stream '{service_name="snappy-orders"}' (policy: '')`,
	"quoting": `stream '{service_name="entry for stream '{}' has timestamp too new: 2026-01-01T00:00:00Z"}' has label value too long: 'max entry size'`,
}

// Whatever a server says to every push: once the cause is gone, every event is
// delivered, once and in order, at a bounded cost meanwhile.
func TestARefusalOfEverythingCostsNoEvent(t *testing.T) {
	names := slices.Sorted(maps.Keys(bodies))
	// What each status from 200 to 699 means is tested in package loki.
	statuses := []int{
		200, 260, 302, 307, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417, 418, 421, 422, 423,
		425, 426, 428, 429, 431, 451, 460, 494, 495, 496, 497, 498, 499, 500, 501, 502, 503, 504, 507, 508, 511, 520, 521, 530, 599,
	}
	for _, status := range statuses {
		for i, name := range names {
			switch status {
			case 400, 401, 413, 422, 429, 500, 503: // every body
			default:
				if status%len(names) != i {
					continue
				}
			}
			body := bodies[name]
			t.Run(fmt.Sprint(status, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { refuseEverything(t, status, body) })
			})
		}
	}
}

func refuseEverything(t *testing.T, status int, body string) {
	const events, more = 200, 3
	dir := t.TempDir()
	var gone atomic.Bool
	l := &fakeLoki{t: t, answer: func(received) loki.Answer {
		if gone.Load() {
			return taken
		}
		return loki.Classify(status, body)
	}}
	log, text := logOf()
	x := startOver(t, l, dir, WithLogger(log))
	defer shutdown(t, x)
	emit(t, x, events)
	time.Sleep(5 * time.Second)
	if n := len(l.received()); n > 30 {
		t.Errorf("%d pushes in the first 5 s", n)
	}
	for range more {
		emit(t, x, 1)
		time.Sleep(20 * time.Minute)
	}
	if n := len(l.received()); n > 250 {
		t.Errorf("%d pushes in an hour", n)
	}
	if n := strings.Count(text(), "\n"); n < 1 || n > 15 {
		t.Errorf("%d lines in the log in an hour:\n%s", n, text())
	}
	if err := x.Health(); err == nil || !strings.Contains(err.Error(), strconv.Itoa(status)) {
		t.Errorf("health: %v", err)
	}
	if s := x.Stats(); s.LokiUp || s.BacklogEvents != events+more+owns(s) {
		t.Errorf("stats: up %v, backlog %d", s.LokiUp, s.BacklogEvents)
	}
	gone.Store(true)
	time.Sleep(time.Minute)
	synctest.Wait()
	l.check(events+more, false)
	if q := x.Stats().Quarantined; q[quarantineRefused]+q[quarantineTooLarge]+q[quarantineMalformed] != 0 {
		t.Errorf("in quarantine: %v", q)
	}
	if _, err := os.Stat(filepath.Join(dir, spooled.QuarantineFile)); err == nil {
		t.Error("there is a quarantine file")
	}
	if s := x.Stats(); s.BacklogEvents != 0 || x.Health() != nil {
		t.Errorf("backlog %d, health %v", s.BacklogEvents, x.Health())
	}
}

// The cause may come while the blame for something else is being looked for.
func TestARefusalOfEverythingThatBeginsInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken, gone atomic.Bool
		l := &fakeLoki{t: t}
		l.answer = func(r received) loki.Answer {
			if broken.Load() && !gone.Load() {
				return loki.Classify(400, "")
			}
			if slices.Contains(r.seqs, 30) && !gone.Load() {
				return loki.Classify(400, "no")
			}
			if slices.Contains(r.seqs, 29) {
				broken.Store(true) // just before the entry to blame is alone
			}
			return taken
		}
		x := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 1000)
		time.Sleep(time.Hour)
		if n := len(l.received()); n > 250 {
			t.Errorf("%d pushes in an hour", n)
		}
		gone.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		l.check(1000, false)
		if n := x.Stats().Quarantined[quarantineRefused]; n != 0 {
			t.Errorf("%d events in quarantine", n)
		}
	})
}

func TestPoisonIsFoundAndTheRestDelivered(t *testing.T) {
	tests := map[string]struct {
		poison  []uint64
		refusal loki.Answer
		partly  bool // Loki stores the others of a refused push
		reason  string
	}{
		"one, the rest stored":     {[]uint64{37}, loki.Classify(400, "this one is bad"), true, quarantineRefused},
		"one, nothing stored":      {[]uint64{37}, loki.Classify(422, "no"), false, quarantineRefused},
		"first and last":           {[]uint64{1, 100}, loki.Classify(400, "no"), true, quarantineRefused},
		"neighbours":               {[]uint64{50, 51, 52}, loki.Classify(400, "no"), true, quarantineRefused},
		"the first ones":           {[]uint64{1, 2, 3, 4}, loki.Classify(400, "no"), false, quarantineRefused},
		"the last ones":            {[]uint64{97, 98, 99, 100}, loki.Classify(400, "no"), false, quarantineRefused},
		"every tenth":              {[]uint64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, loki.Classify(400, "no"), false, quarantineRefused},
		"too large whatever we do": {[]uint64{8}, loki.Classify(413, ""), false, quarantineTooLarge},
		"too large, in gRPC's words": {[]uint64{8},
			loki.Classify(500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)"), false, quarantineTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				l := &fakeLoki{t: t}
				l.answer = func(r received) loki.Answer {
					bad := false
					for i, seq := range r.seqs {
						if slices.Contains(tt.poison, seq) {
							bad = true
						} else if tt.partly {
							l.store(r.labels, r.entries[i])
						}
					}
					if bad {
						return tt.refusal
					}
					return taken
				}
				x := startOver(t, l, dir)
				emit(t, x, 100)
				time.Sleep(time.Minute)
				synctest.Wait()
				shutdown(t, x)
				l.check(100, false, tt.poison...)
				s := x.Stats()
				if s.BacklogEvents != 0 || int(s.Quarantined[tt.reason]) != len(tt.poison) {
					t.Errorf("backlog of %d events, in quarantine %v", s.BacklogEvents, s.Quarantined)
				}
				var seqs []uint64
				for _, q := range readQuarantine(t, dir) {
					seqs = append(seqs, q.Sequence)
					ev, err := adminsessions.ParseLine(q.Line)
					if q.Answer != tt.refusal.Err.Error() || q.Reason != tt.reason || q.LogID != x.spool.ID() || q.Labels == "" ||
						err != nil || ev.Sequence != q.Sequence || ev.User.Email != "anna@example.com" || q.Time == 0 {
						t.Errorf("quarantine: %+v, %v", q, err)
					}
				}
				slices.Sort(seqs)
				if !slices.Equal(seqs, tt.poison) {
					t.Errorf("quarantine holds %v, want %v", seqs, tt.poison)
				}
				if n := len(l.received()); n > 30*(1+len(tt.poison)) {
					t.Errorf("%d pushes for %d bad entries", n, len(tt.poison))
				}
			})
		})
	}
}

// Two gateways before Loki, one of which refuses everything: no event is to blame.
func TestRefusalsThatComeAndGo(t *testing.T) {
	for name, refuse := range map[string]func(n int, rnd *rand.Rand) bool{
		"in turn":      func(n int, _ *rand.Rand) bool { return n%2 == 0 },
		"at random":    func(_ int, rnd *rand.Rand) bool { return rnd.IntN(2) == 0 },
		"two of three": func(n int, _ *rand.Rand) bool { return n%3 != 0 },
		"for a while":  func(n int, _ *rand.Rand) bool { return n/7%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(1, 2))
				pushes := 0
				l := &fakeLoki{t: t, answer: func(received) loki.Answer {
					if pushes++; refuse(pushes, rnd) {
						return loki.Classify(400, "")
					}
					return taken
				}}
				x := startOver(t, l, t.TempDir())
				for range 200 {
					emit(t, x, 50)
					time.Sleep(time.Second)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				l.check(10_000, false)
				if n := x.Stats().Quarantined[quarantineRefused]; n != 0 {
					t.Errorf("%d events in quarantine", n)
				}
				shutdown(t, x)
			})
		})
	}
}

// A bad event that is alone proves nothing; the next one does.
func TestABadEventAloneWaitsForAnother(t *testing.T) {
	for name, another := range map[string]bool{"another one of the panel": true, "the trail's own, that loki is away": false} {
		t.Run(name, func(t *testing.T) { badEventAlone(t, another) })
	}
}

func badEventAlone(t *testing.T, another bool) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := &fakeLoki{t: t, answer: func(r received) loki.Answer {
			if slices.Contains(r.seqs, 1) {
				return loki.Classify(400, "bad")
			}
			return taken
		}}
		x := startOver(t, l, dir)
		time.Sleep(time.Minute) // that it was started is told
		emit(t, x, 1)
		time.Sleep(50 * time.Second)
		if n := x.Stats().Quarantined[quarantineRefused]; n != 0 || x.Health() == nil {
			t.Fatalf("%d events in quarantine without proof; health %v", n, x.Health())
		}
		if another {
			emit(t, x, 5)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if another {
			l.check(6, false, 1)
		}
		if n := x.Stats().Quarantined[quarantineRefused]; n != 1 || x.Health() != nil {
			t.Errorf("%d events in quarantine; health %v", n, x.Health())
		}
		shutdown(t, x)
	})
}

// Loki names a line that is too long: it goes into quarantine at once, and the
// others need one more push.
func TestOversizedLines(t *testing.T) {
	for name, limit := range map[string]int{"a limit that is meant": 8 << 10, "one that takes no event": 300} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &fakeLoki{t: t}
				l.answer = func(r received) loki.Answer {
					err := refusal(r, fmt.Sprintf("max entry size '%d' bytes exceeded for stream '%%s' while adding an entry with length '99999' bytes%%.0s", limit),
						func(e push.Entry) bool { return len(e.Line) > limit })
					if err != nil {
						return loki.Classify(400, err.Error())
					}
					return taken
				}
				x := startOver(t, l, t.TempDir())
				for i := range 20 {
					ev := testEvent
					ev.Time = time.Now()
					if i%10 == 4 {
						ev.UserAgent = strings.Repeat("x", 500)
						for k := range 8 {
							ev.Note += strings.Repeat(strconv.Itoa(k), 1500) + "\n"
						}
					}
					if err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if limit < minLineLimit {
					if n := x.Stats().Quarantined[quarantineTooLarge]; n != 0 || x.Stats().BacklogEvents != 20+owns(x.Stats()) {
						t.Errorf("%d events in quarantine for a limit that no event is to blame for; backlog %d", n, x.Stats().BacklogEvents)
					}
					kill(t, x)
					return
				}
				want := 0
				for _, p := range l.received()[:1] {
					for _, e := range p.entries {
						if len(e.Line) > limit {
							want++
						}
					}
				}
				if got := int(x.Stats().Quarantined[quarantineTooLarge]); got != want {
					t.Errorf("%d events in quarantine, want %d", got, want)
				}
				if n := len(l.received()); n > want+2 {
					t.Errorf("%d pushes", n)
				}
				shutdown(t, x)
			})
		})
	}
}
