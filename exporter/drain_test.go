package exporter

import (
	"context"
	"flag"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

var drainBytes = flag.Int64("drain.bytes", 256<<20, "size of the backlog that BenchmarkDrain makes, in bytes of the spool")

// BenchmarkDrain opens a backlog and delivers all of it to a Loki that takes
// everything at once: how fast, and with how much memory.
func BenchmarkDrain(b *testing.B) {
	dir := b.TempDir()
	open := func(push func(context.Context, []byte) answer) *Exporter {
		c, err := newConfig([]Option{WithSpoolDir(dir), WithSpoolLimit(4 * *drainBytes)}, noEnv)
		if err != nil {
			b.Fatal(err)
		}
		x, err := start(c, push)
		if err != nil {
			b.Fatal(err)
		}
		return x
	}
	for b.Loop() {
		b.StopTimer()
		x := open(func(context.Context, []byte) answer { return failed("transport") })
		p := &LoggerProvider{exporter: x}
		ev := testEvent
		for x.spool.Stats().DiskBytes < *drainBytes {
			for range 10_000 {
				ev.Time = time.Now()
				if err := p.RecordEvent(b.Context(), &ev, adminsessions.Spooled); err != nil {
					b.Fatal(err)
				}
			}
		}
		shutdown(b, x)
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		var peak atomic.Uint64
		b.StartTimer()

		began := time.Now()
		x = open(func(context.Context, []byte) answer {
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.Sys-now.HeapReleased))
			return answer{verdict: delivered}
		})
		opened := time.Since(began)
		events := x.Backlog().Events
		if err := x.ForceFlush(context.Background()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		b.StopTimer()
		shutdown(b, x)
		b.ReportMetric(float64(opened.Microseconds())/1000, "open-ms")
		b.ReportMetric(float64(events)/took.Seconds(), "events/s")
		b.ReportMetric((float64(peak.Load())-float64(before.Sys-before.HeapReleased))/(1<<20), "MiB-above-idle")
		b.StartTimer()
	}
}
