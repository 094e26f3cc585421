package capacity

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// More panels than Loki has room for streams: those that come too late hold what
// they have recorded, lose nothing, and deliver it when the limit is raised, in a
// Loki that goes on.
func TestStreamsBeyondTheLimitAreHeld(t *testing.T) {
	const panels, limit, events = 8, 5, 20
	overrides := filepath.Join(t.TempDir(), "overrides.yaml")
	allow := func(streams int) {
		if err := os.WriteFile(overrides, fmt.Appendf(nil, "overrides: {fake: {max_global_streams_per_user: %d}}\n", streams), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allow(limit)
	s := start(t, lokitest.WithArgs("-runtime-config.file="+overrides, "-runtime-config.reload-period=1s"))
	f := newFleet(t, s.URL(), 0)
	var all [panels]*exporter.Exporter
	for i := range all {
		all[i] = panel(t, s.URL(), fmt.Sprintf("panel-%d", i))
		for range events {
			e := f.events[f.random.IntN(len(f.events))]
			e.Time = time.Now()
			if err := all[i].RecordEvent(t.Context(), &e, adminsessions.Spooled); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := 0
	for _, x := range all {
		for tick := time.Tick(10 * time.Millisecond); ; <-tick {
			stats := x.Stats()
			if stats.BacklogEvents == 0 {
				break
			}
			if stats.PushFailures["429"] > 1 {
				held++
				break
			}
		}
	}
	if held != panels-limit {
		t.Errorf("%d panels hold their events, want %d", held, panels-limit)
	}
	allow(panels)
	accepted := 0.0
	for i, x := range all {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := x.ForceFlush(ctx)
		cancel()
		stats := x.Stats()
		accepted += float64(stats.SpoolSequence)
		if err != nil || stats.BacklogEvents > 0 || sum(stats.Dropped)+sum(stats.Quarantined) > 0 || stats.Accepted < events {
			t.Errorf("panel %d: %v, %+v", i, err, stats)
		}
	}
	if there := s.count(t); there != accepted {
		t.Errorf("%.0f events are there, want %.0f", there, accepted)
	}
}

func panel(t testing.TB, url, instance string) *exporter.Exporter {
	t.Helper()
	x, err := exporter.New(
		exporter.WithLoki(adminsessions.Loki{URL: url}), exporter.WithSpoolDir(t.TempDir()),
		exporter.WithResource(resource.NewSchemaless(attribute.String("service.name", "fleet-00"), attribute.String("service.instance.id", instance))),
		exporter.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Shutdown(context.Background()) })
	return x
}

func sum(counts map[string]uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}

// BenchmarkRefused is what a push costs a Loki that has no room for its stream:
// panels that are held push again every half minute.
func BenchmarkRefused(b *testing.B) {
	s := start(b, lokitest.WithArgs("-ingester.max-global-streams-per-user=1"))
	f := newFleet(b, s.URL(), 2)
	if a := f.client.Push(b.Context(), f.message(0, time.Now())); a.Err != nil {
		b.Fatal(a.Err)
	}
	cpu := s.CPUTime()
	for b.Loop() {
		if a := f.client.Push(b.Context(), f.message(1, time.Now())); a.Verdict != loki.Throttled {
			b.Fatalf("%+v", a)
		}
	}
	b.ReportMetric(float64((s.CPUTime()-cpu).Microseconds())/float64(b.N), "loki-cpu-µs/push")
}
