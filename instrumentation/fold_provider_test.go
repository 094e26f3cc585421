package instrumentation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

func TestTheProviderTakesNothingForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		var refused atomic.Int64
		var s sink
		s.Fail = func(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
			if full.Load() && e.Anonymous() {
				refused.Add(1)
				return fmt.Errorf("spool: share of anonymous events is full: %w", adminsessions.ErrRefused)
			}
			return nil
		}
		reg := prometheus.NewRegistry()
		h := newMiddleware(t, &s, counting(reg), instrumentation.WithLogger(discardLogger))(foldPanel())
		sent := 0
		flood := func(d time.Duration) {
			for began := time.Now(); time.Since(began) < d; time.Sleep(20 * time.Millisecond) {
				sendAs(h, 1, mallory, "GET", "/")
				sendAs(h, 1, fmt.Sprintf("10.0.%d.%d:1", sent>>8&255, sent&255), "GET", "/")
				sendAs(h, 1, mallory, "DELETE", "/as-anna")
				sent += 3
			}
		}
		flood(time.Minute)
		full.Store(true)
		flood(5 * time.Minute)
		if refused, most := refused.Load(), int64(2*31); refused > most {
			t.Errorf("%d attempts to record something in five minutes, want at most %d", refused, most)
		}
		full.Store(false)
		time.Sleep(2 * window)
		synctest.Wait()
		alone, folded, _ := tally(s.Events(), everything)
		if alone+folded != sent {
			t.Errorf("recorded %d + %d of %d", alone, folded, sent)
		}
		wantMetric(t, reg, "adminsessions_instrumentation_events_folded_pending", 0)
		wantMetric(t, reg, "adminsessions_instrumentation_events_folded_total", float64(folded))
		wantMetric(t, reg, "adminsessions_instrumentation_record_failures_total", 0)
	})
}

func wantMetric(t *testing.T, reg *prometheus.Registry, name string, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		sum := 0.0
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		if sum != want {
			t.Errorf("%s is %v, want %v", name, sum, want)
		}
		return
	}
	t.Errorf("no metric %s", name)
}

// endingSink says when it ends, as package exporter's provider does.
type endingSink struct {
	sink
	before []func()
}

func (s *endingSink) BeforeShutdown(f func()) { s.before = append(s.before, f) }

func TestWhatIsCountedIsRecordedBeforeTheProviderEnds(t *testing.T) {
	for name, refuses := range map[string]bool{"takes it": false, "refuses it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s endingSink
				reg := prometheus.NewRegistry()
				mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s),
					counting(reg), instrumentation.WithLogger(discardLogger))
				if err != nil {
					t.Fatal(err)
				}
				h := mw(foldPanel())
				sendAs(h, 500, mallory, "GET", "/")
				if len(s.before) != 1 {
					t.Fatalf("%d functions to call before the end, want 1", len(s.before))
				}
				if refuses {
					s.Fail = func(context.Context, *adminsessions.Event, adminsessions.Durability) error {
						return adminsessions.ErrRefused
					}
				}
				s.before[0]()
				alone, folded, records := tally(s.Events(), everything)
				if want := map[bool]int{false: 467, true: 0}[refuses]; alone != 33 || folded != want || records > 1 {
					t.Errorf("%d alone, %d folded in %d records", alone, folded, records)
				}
				wantMetric(t, reg, "adminsessions_instrumentation_events_folded_pending", 0)
				wantMetric(t, reg, "adminsessions_instrumentation_record_failures_total", map[bool]float64{false: 0, true: 467}[refuses])

				// What comes now is the provider's to refuse, and counted as lost if it does.
				sendAs(h, 100, mallory, "GET", "/")
				time.Sleep(2 * window)
				synctest.Wait()
				if alone, _, _ := tally(s.Events(), everything); !refuses && alone != 133 {
					t.Errorf("%d recorded alone in the end", alone)
				}
				wantMetric(t, reg, "adminsessions_instrumentation_record_failures_total", map[bool]float64{false: 0, true: 567}[refuses])
			})
		})
	}
}

func TestAProviderThatPanicsAtAFoldedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		s.Fail = func(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
			if e.Count > 0 {
				panic("out of order")
			}
			return nil
		}
		reg := prometheus.NewRegistry()
		h := newMiddleware(t, &s, counting(reg), instrumentation.WithLogger(discardLogger))(foldPanel())
		sendAs(h, 500, mallory, "GET", "/")
		time.Sleep(window)
		synctest.Wait()
		wantMetric(t, reg, "adminsessions_instrumentation_record_failures_total", 467)
		wantMetric(t, reg, "adminsessions_instrumentation_events_folded_pending", 0)
	})
}

// lockedBuffer takes lines from timers and requests at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTheLogSaysWhenFoldingBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		var lines lockedBuffer
		h := newMiddleware(t, &s, instrumentation.WithLogger(slog.New(slog.NewTextHandler(&lines, nil))))(foldPanel())
		for range 600 {
			sendAs(h, 10, mallory, "GET", "/")
			sendAs(h, 1, "198.51.100.1:1", "GET", "/")
			time.Sleep(100 * time.Millisecond)
		}
		if n := strings.Count(lines.String(), "\n"); n != 1 {
			t.Errorf("%d lines in a minute of flood, want 1: %s", n, lines.String())
		}
		time.Sleep(3 * window)
		synctest.Wait()
		if n := strings.Count(lines.String(), "\n"); n != 2 || !strings.Contains(lines.String(), "client_address=203.0.113.9") || !strings.Contains(lines.String(), "one by one again") {
			t.Errorf("%d lines in the end, want 2: %s", n, lines.String())
		}
	})
}

func TestAnonymousLimit(t *testing.T) {
	for _, n := range []int{-1, 0, 1_000_001} {
		if _, err := instrumentation.NewMiddleware(instrumentation.WithAnonymousLimit(n)); err == nil || !strings.Contains(err.Error(), "WithAnonymousLimit") {
			t.Errorf("limit %d: error %v", n, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var s sink
		h := newMiddleware(t, &s, instrumentation.WithAnonymousLimit(1_000_000))(foldPanel())
		sendAs(h, 5000, mallory, "GET", "/")
		if len(s.Events()) != 5000 {
			t.Errorf("%d of 5000 recorded one by one", len(s.Events()))
		}
	})
}

var errBroken = errors.New("disk on fire")

func TestALossThatIsNoRefusalIsNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		s.Fail = func(context.Context, *adminsessions.Event, adminsessions.Durability) error { return errBroken }
		reg := prometheus.NewRegistry()
		h := newMiddleware(t, &s, counting(reg), instrumentation.WithLogger(discardLogger))(foldPanel())
		sendAs(h, 20, mallory, "GET", "/")
		time.Sleep(window)
		synctest.Wait()
		wantMetric(t, reg, "adminsessions_instrumentation_record_failures_total", 20)
		wantMetric(t, reg, "adminsessions_instrumentation_events_folded_total", 0)
	})
}

func TestFoldedRecordsGoToAnyProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p records
		mw, err := instrumentation.NewMiddleware(instrumentation.WithLogger(discardLogger),
			instrumentation.WithLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(&p))))
		if err != nil {
			t.Fatal(err)
		}
		sendAs(mw(foldPanel()), 500, mallory, "GET", "/")
		time.Sleep(window)
		synctest.Wait()
		r := p.kept[len(p.kept)-1]
		counts := int64(0)
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Key == "admin.request.count" {
				counts = kv.Value.AsInt64()
			}
			return true
		})
		if len(p.kept) != 34 || counts != 467 || !strings.Contains(r.Body().AsString(), " count=467 since=") {
			t.Errorf("%d records, the last of %d: %s", len(p.kept), counts, r.Body().AsString())
		}
	})
}
