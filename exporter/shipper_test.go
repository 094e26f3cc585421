package exporter

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/adminsessions/adminsessions"
)

// faultyLoki answers pushes in place of Loki, so that a test can decide what it
// answers. It keeps what it takes as Loki's log view would: an entry that comes
// again with the same bytes is the same entry.
type faultyLoki struct {
	t testing.TB
	// answer decides about a push; nil takes it.
	answer func(p received) answer

	mu     sync.Mutex
	pushes []received
	seqs   []uint64          // in the order of arrival, each once
	stored map[uint64]string // by sequence number
}

type received struct {
	at      time.Time
	size    int // uncompressed
	entries []push.Entry
	seqs    []uint64
}

func (l *faultyLoki) push(ctx context.Context, body []byte) answer {
	raw, err := s2.Decode(nil, body)
	if err != nil {
		l.t.Errorf("push is not snappy: %v", err)
	}
	var req push.PushRequest
	if err := req.Unmarshal(raw); err != nil {
		l.t.Errorf("push is not protobuf: %v", err)
	}
	if len(req.Streams) != 1 {
		l.t.Errorf("push has %d streams; Loki answers only for the last", len(req.Streams))
	}
	r := received{at: time.Now(), size: len(raw)}
	for _, s := range req.Streams {
		for _, e := range s.Entries {
			r.entries = append(r.entries, e)
			r.seqs = append(r.seqs, sequence(l.t, e))
		}
	}
	l.mu.Lock()
	l.pushes = append(l.pushes, r)
	l.mu.Unlock()
	a := answer{verdict: delivered}
	if l.answer != nil {
		a = l.answer(r)
	}
	if a.verdict == delivered {
		l.store(r.entries...)
	}
	return a
}

func (l *faultyLoki) store(entries ...push.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stored == nil {
		l.stored = make(map[uint64]string)
	}
	for _, e := range entries {
		seq, text := sequence(l.t, e), fmt.Sprint(e)
		switch old, ok := l.stored[seq]; {
		case !ok:
			l.stored[seq] = text
			l.seqs = append(l.seqs, seq)
		case old != text:
			l.t.Errorf("event %d comes again with other bytes:\n%s\n%s", seq, old, text)
		}
	}
}

func sequence(t testing.TB, e push.Entry) uint64 {
	for _, p := range e.StructuredMetadata {
		if p.Name == "audit_sequence_number" {
			n, err := strconv.ParseUint(p.Value, 10, 64)
			if err != nil {
				t.Error(err)
			}
			return n
		}
	}
	t.Error("an entry has no sequence number")
	return 0
}

// received returns the pushes so far.
func (l *faultyLoki) received() []received {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.pushes)
}

// check asserts that every event from 1 to n is stored, each once, and in
// order if ordered, but for those left out.
func (l *faultyLoki) check(n int, ordered bool, leftOut ...uint64) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if ordered && !slices.IsSorted(l.seqs) {
		l.t.Error("events did not arrive in order")
	}
	var missing, unwanted []uint64
	for seq := uint64(1); seq <= uint64(n); seq++ {
		switch _, ok := l.stored[seq]; {
		case !ok && !slices.Contains(leftOut, seq):
			missing = append(missing, seq)
		case ok && slices.Contains(leftOut, seq):
			unwanted = append(unwanted, seq)
		}
	}
	if len(missing)+len(unwanted) > 0 {
		l.t.Errorf("%d events missing, among them %v; stored against expectation: %v", len(missing), missing[:min(len(missing), 5)], unwanted)
	}
	if want := n - len(leftOut); len(l.stored) != want {
		l.t.Errorf("%d events stored, want %d", len(l.stored), want)
	}
}

func startOver(t testing.TB, l *faultyLoki, dir string, opts ...Option) (*Exporter, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	c, err := newConfig(append([]Option{WithSpoolDir(dir), WithRegisterer(reg)}, opts...), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	x, err := start(c, l.push)
	if err != nil {
		t.Fatal(err)
	}
	return x, reg
}

func emit(t testing.TB, x *Exporter, n int) {
	t.Helper()
	p := &LoggerProvider{exporter: x}
	for range n {
		ev := testEvent
		ev.Time = time.Now()
		if err := p.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
			t.Fatal(err)
		}
	}
}

func shutdown(t testing.TB, x *Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := x.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func failed(status string) answer {
	return answer{verdict: again, status: status, err: errors.New("loki is away")}
}

func TestDeliversInOrderWithinTheBatchWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &faultyLoki{t: t}
		x, reg := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 100)
		// The bubble's clock: a sync, and the wait for a batch to fill.
		time.Sleep(DefaultSyncEvery/10 + DefaultBatchWait)
		synctest.Wait()
		l.check(100, true)
		if len(l.received()) != 1 {
			t.Errorf("%d pushes, want 1", len(l.received()))
		}
		if b := x.Backlog(); b.Events != 0 {
			t.Errorf("backlog of %d events after delivery", b.Events)
		}
		if err := x.Health(); err != nil {
			t.Error(err)
		}
		want := `
# HELP adminsessions_exporter_events_accepted_total Events written to the spool.
# TYPE adminsessions_exporter_events_accepted_total counter
adminsessions_exporter_events_accepted_total 100
# HELP adminsessions_exporter_events_delivered_total Events that Loki has acknowledged.
# TYPE adminsessions_exporter_events_delivered_total counter
adminsessions_exporter_events_delivered_total 100
# HELP adminsessions_exporter_backlog_events Events in the spool that Loki has not acknowledged.
# TYPE adminsessions_exporter_backlog_events gauge
adminsessions_exporter_backlog_events 0
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
			"adminsessions_exporter_events_accepted_total", "adminsessions_exporter_events_delivered_total", "adminsessions_exporter_backlog_events"); err != nil {
			t.Error(err)
		}
	})
}

func TestTimestampsStrictlyIncrease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &faultyLoki{t: t}
		x, _ := startOver(t, l, t.TempDir())
		p := &LoggerProvider{exporter: x}
		now := time.Now()
		for _, back := range []time.Duration{0, 0, time.Microsecond, time.Hour, -time.Second} {
			ev := testEvent
			ev.Time = now.Add(-back)
			if err := p.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
				t.Fatal(err)
			}
		}
		shutdown(t, x)
		var last time.Time
		for _, e := range l.received()[0].entries {
			if !e.Timestamp.After(last) {
				t.Errorf("timestamp %v is not after %v", e.Timestamp, last)
			}
			last = e.Timestamp
		}
		moved := metadata(t, l.received()[0].entries[3])["audit_request_time"]
		if want := fmt.Sprint(now.Add(-time.Hour).UnixNano()); moved != want {
			t.Errorf("audit_request_time of an event moved by an hour is %q, want %q", moved, want)
		}
		if v, ok := metadata(t, l.received()[0].entries[1])["audit_request_time"]; ok {
			t.Errorf("an event moved by a nanosecond has audit_request_time %q", v)
		}
	})
}

func TestOutageOfHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(3 * time.Hour)
		l := &faultyLoki{t: t, answer: func(received) answer {
			if time.Now().Before(back) {
				return failed("transport")
			}
			return answer{verdict: delivered}
		}}
		x, _ := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		for range 60 {
			emit(t, x, 20)
			time.Sleep(3 * time.Minute)
		}
		if err := x.Health(); err == nil || !strings.Contains(err.Error(), "loki is away") {
			t.Errorf("health while loki is away: %v", err)
		}
		if err := x.Ready(); err != nil {
			t.Errorf("events can be recorded, but ready says %v", err)
		}
		attempts := len(l.received())
		if perHour := attempts / 3; perHour > 300 {
			t.Errorf("%d attempts an hour against a loki that is away", perHour)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		l.check(1200, true)
		if x.Backlog().Events != 0 || x.Health() != nil {
			t.Errorf("backlog %d, health %v", x.Backlog().Events, x.Health())
		}
	})
}

func TestEveryFailureIsTriedAgain(t *testing.T) {
	for _, status := range []int{301, 401, 403, 404, 408, 429, 500, 502, 503, 504} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int32
				l := &faultyLoki{t: t, answer: func(received) answer {
					if n.Add(1) <= 40 {
						return classify(status, "no")
					}
					return answer{verdict: delivered}
				}}
				x, reg := startOver(t, l, t.TempDir())
				defer shutdown(t, x)
				emit(t, x, 100)
				time.Sleep(time.Hour)
				synctest.Wait()
				l.check(100, true)
				if got := testutil.ToFloat64(x.metrics.retries.WithLabelValues(statusLabel(status))); got != 40 {
					t.Errorf("%v failures counted, want 40", got)
				}
				if n, err := testutil.GatherAndCount(reg, "adminsessions_exporter_push_failures_total"); err != nil || n != len(pushStatuses) {
					t.Errorf("%d series of failures (%v), want %d from the start", n, err, len(pushStatuses))
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &faultyLoki{t: t}
		l.answer = func(received) answer {
			if len(l.received()) == 1 {
				a := classify(429, "slow down")
				a.retryAfter = 90 * time.Second
				return a
			}
			return answer{verdict: delivered}
		}
		x, _ := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if d := l.received()[1].at.Sub(l.received()[0].at); d < 90*time.Second || d > 100*time.Second {
			t.Errorf("tried again after %v, want 90s", d)
		}
	})
}

// A push may not overtake another by more than Loki forgives, and nothing is
// acknowledged past one that is still missing.
func TestHoleInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		hole := make(chan answer)
		l := &faultyLoki{t: t, answer: func(r received) answer {
			if slices.Contains(r.seqs, 1) {
				return <-hole
			}
			return answer{verdict: delivered}
		}}
		x, _ := startOver(t, l, dir, WithBatch(0, 64<<10), WithMaxInFlight(4))
		emit(t, x, 1000)
		time.Sleep(DefaultSyncEvery)
		synctest.Wait()
		if len(l.received()) < 3 {
			t.Fatalf("%d pushes under way, want several", len(l.received()))
		}
		if b := x.Backlog(); b.Events != 1000 {
			t.Errorf("backlog %d while the first push is not answered, want 1000", b.Events)
		}
		// The answer to the first push is lost with the process.
		x.stop()
		hole <- failed("transport")
		x.running.Wait()
		if err := x.spool.Close(); err != nil {
			t.Fatal(err)
		}
		after := &faultyLoki{t: t, stored: l.stored}
		x, _ = startOver(t, after, dir)
		shutdown(t, x)
		after.check(1000, false)
	})
}

func TestPushesUnderWayStayWithinWhatLokiForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		l := &faultyLoki{t: t, answer: func(received) answer { <-hold; return answer{verdict: delivered} }}
		x, _ := startOver(t, l, t.TempDir(), WithMaxInFlight(8))
		for range 5 {
			emit(t, x, 1)
			time.Sleep(20 * time.Minute)
		}
		synctest.Wait()
		if len(l.received()) != 2 {
			t.Errorf("%d pushes under way over 80 minutes of events, want 2 within %v", len(l.received()), maxSpan)
		}
		close(hold)
		shutdown(t, x)
		l.check(5, false)
	})
}

// A backlog of a quiet panel: a push that comes again must not begin an hour
// behind its own end, which Loki may know already.
func TestEachPushStaysWithinWhatLokiForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		l := &faultyLoki{t: t}
		l.answer = func(p received) answer {
			if span := p.entries[len(p.entries)-1].Timestamp.Sub(p.entries[0].Timestamp); span > maxSpan {
				t.Errorf("a push holds %v of events, want at most %v", span, maxSpan)
			}
			if !back.Load() {
				return failed("transport")
			}
			return answer{verdict: delivered}
		}
		x, _ := startOver(t, l, t.TempDir())
		for range 20 {
			emit(t, x, 1)
			time.Sleep(7 * time.Minute)
		}
		back.Store(true)
		shutdown(t, x)
		l.check(20, true)
	})
}

func TestPoisonIsFoundAndTheRestDelivered(t *testing.T) {
	tests := map[string]struct {
		poison  []uint64
		refusal answer
		partly  bool // Loki stores the others of a refused push
		reason  string
	}{
		"one, the rest stored":      {[]uint64{37}, classify(400, "entry too far behind"), true, quarantineRefused},
		"one, nothing stored":       {[]uint64{37}, classify(422, "no"), false, quarantineRefused},
		"first and last":            {[]uint64{1, 100}, classify(400, "max entry size exceeded"), true, quarantineRefused},
		"neighbours":                {[]uint64{50, 51, 52}, classify(400, "timestamp too new"), true, quarantineRefused},
		"too large whatever we do":  {[]uint64{8}, classify(413, ""), false, quarantineTooLarge},
		"too large, in gRPC's word": {[]uint64{8}, classify(500, "received message larger than max (5 vs. 4)"), false, quarantineTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				l := &faultyLoki{t: t}
				l.answer = func(r received) answer {
					bad := false
					for i, seq := range r.seqs {
						if slices.Contains(tt.poison, seq) {
							bad = true
						} else if tt.partly {
							l.store(r.entries[i])
						}
					}
					if bad {
						return tt.refusal
					}
					return answer{verdict: delivered}
				}
				x, _ := startOver(t, l, dir)
				emit(t, x, 100)
				shutdown(t, x)
				l.check(100, !tt.partly, tt.poison...)
				if b := x.Backlog(); b.Events != 0 {
					t.Errorf("backlog of %d events", b.Events)
				}
				if got := testutil.ToFloat64(x.metrics.quarantined.WithLabelValues(tt.reason)); int(got) != len(tt.poison) {
					t.Errorf("%v events counted as quarantined, want %d", got, len(tt.poison))
				}
				var seqs []uint64
				for _, q := range readQuarantine(t, dir) {
					seqs = append(seqs, q.Sequence)
					if q.Answer != tt.refusal.err.Error() || q.Reason != tt.reason || q.Metadata["user_email"] != "anna@example.com" || q.Line == "" || q.Labels == "" {
						t.Errorf("quarantine: %+v", q)
					}
				}
				if !slices.Equal(seqs, tt.poison) {
					t.Errorf("quarantine holds %v, want %v", seqs, tt.poison)
				}
			})
		})
	}
}

func readQuarantine(t *testing.T, dir string) []quarantined {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, quarantineFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []quarantined
	for s := bufio.NewScanner(f); s.Scan(); {
		var q quarantined
		if err := json.Unmarshal(s.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		all = append(all, q)
	}
	return all
}

// A quarantine that can't be written holds the event back; it is not lost.
func TestQuarantineThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, quarantineFile)
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Fatal(err)
		}
		l := &faultyLoki{t: t, answer: func(r received) answer {
			if slices.Contains(r.seqs, 2) {
				return classify(400, "bad")
			}
			return answer{verdict: delivered}
		}}
		x, _ := startOver(t, l, dir)
		emit(t, x, 3)
		time.Sleep(time.Minute)
		synctest.Wait()
		if b := x.Backlog(); b.Events == 0 {
			t.Error("an event that is nowhere is acknowledged")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		shutdown(t, x)
		l.check(3, true, 2)
		if q := readQuarantine(t, dir); len(q) != 1 || q[0].Sequence != 2 {
			t.Errorf("quarantine %+v", q)
		}
	})
}

func TestBatchesStayUnderLokisMessageLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 << 10
		l := &faultyLoki{t: t, answer: func(r received) answer {
			if r.size > limit {
				return classify(500, "received message larger than max")
			}
			return answer{verdict: delivered}
		}}
		x, _ := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 6000)
		time.Sleep(time.Hour)
		synctest.Wait()
		l.check(6000, false)
		tooLarge := 0
		for _, p := range l.received() {
			if p.size > DefaultBatchBytes {
				t.Errorf("a push of %d bytes", p.size)
			}
			if p.size > limit {
				tooLarge++
			}
		}
		// It learns: most pushes fit at once.
		if tooLarge > len(l.received())/4 {
			t.Errorf("%d of %d pushes were too large", tooLarge, len(l.received()))
		}
	})
}

// Batches grow again long after Loki has refused a large one. The batch that is
// compressed by then and waits for its turn, a single event larger than the
// limit was, is sent as it is: what came into it now would be lost.
func TestBatchesThatGrowAgainLoseNothing(t *testing.T) {
	for _, first := range []string{"large", "small"} { // whichever waits at that moment
		t.Run(first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var pushes atomic.Int64
				l := &faultyLoki{t: t, answer: func(r received) answer {
					if pushes.Add(1) < growAfter/2 && r.size > 3<<10 {
						return classify(500, "received message larger than max")
					}
					return answer{verdict: delivered}
				}}
				x, _ := startOver(t, l, t.TempDir(), WithBatch(DefaultBatchWait, minBatchBytes))
				defer shutdown(t, x)
				const events = 4 * growAfter
				large := first == "large"
				for range events {
					ev := testEvent
					ev.Time = time.Now()
					if large {
						ev.Note = strings.Repeat("x", 850) // twice in an entry, which is then above 2 KiB, where the limit comes to be
					}
					large = !large
					if err := x.LoggerProvider().RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				l.check(events, false)
			})
		})
	}
}

func TestForceFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		l := &faultyLoki{t: t, answer: func(received) answer {
			if away.Load() {
				return failed("transport")
			}
			return answer{verdict: delivered}
		}}
		x, _ := startOver(t, l, t.TempDir(), WithBatch(time.Minute, 1<<20))
		defer shutdown(t, x)
		emit(t, x, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := x.ForceFlush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush with loki away: %v, want the deadline", err)
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("flush took %v of 5s", d)
		}
		away.Store(false)
		if err := x.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		l.check(3, true)
	})
}

func TestShutdownWithLokiAwayIsQuickAndKeepsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		away := &faultyLoki{t: t, answer: func(received) answer { return failed("transport") }}
		x, _ := startOver(t, away, dir)
		emit(t, x, 500)
		time.Sleep(10 * time.Minute) // the pause between attempts has grown
		emit(t, x, 500)
		began := time.Now()
		shutdown(t, x)
		if d := time.Since(began); d > time.Second {
			t.Errorf("shutdown took %v", d)
		}
		if err := (&LoggerProvider{exporter: x}).RecordEvent(t.Context(), &testEvent, adminsessions.Spooled); err == nil {
			t.Error("an event is accepted after shutdown")
		}
		if err := x.ForceFlush(t.Context()); err == nil {
			t.Error("a flush after shutdown says that it has flushed")
		}
		if err := x.Shutdown(t.Context()); err != nil {
			t.Errorf("a second shutdown: %v", err)
		}
		l := &faultyLoki{t: t}
		x, _ = startOver(t, l, dir)
		shutdown(t, x)
		l.check(1000, true)
	})
}

// A rate limit lets pushes through now and then; that is not told each time.
func TestAFailureThatComesAndGoesDoesNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		l := &faultyLoki{t: t, answer: func(received) answer {
			if n.Add(1)%2 == 1 {
				return classify(429, "slow down")
			}
			return answer{verdict: delivered}
		}}
		var out strings.Builder
		x, _ := startOver(t, l, t.TempDir(), WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
		for range 300 {
			emit(t, x, 1)
			time.Sleep(time.Second)
		}
		shutdown(t, x)
		l.check(300, false)
		if lines := strings.Count(out.String(), "\n"); lines < 2 || lines > 12 {
			t.Errorf("%d lines in five minutes:\n%s", lines, out.String())
		}
	})
}
