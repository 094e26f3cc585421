//go:build unix

package exporter

import (
	"context"
	"flag"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

var drainBytes = flag.Int64("drain.bytes", 256<<20, "size of the backlog that BenchmarkDrain makes, in bytes of the spool")

// BenchmarkDrain opens a backlog and delivers all of it to a Loki that takes
// everything at once: how fast, for how much CPU time of the whole process, and with
// how much memory.
func BenchmarkDrain(b *testing.B) {
	b.Run("plain", func(b *testing.B) { drain(b) })
	b.Run("proof", func(b *testing.B) { drain(b, WithProof(Proof{Keys: []*proof.Key{newKey(b)}})) })
}

func drain(b *testing.B, opts ...Option) {
	dir := b.TempDir()
	for b.Loop() {
		b.StopTimer()
		x := openTo(b, scripted(away), dir, 4**drainBytes, opts...)
		ev := testEvent
		for x.Stats().SpoolBytes < *drainBytes {
			for range 10_000 {
				ev.Time = time.Now()
				if err := x.RecordEvent(b.Context(), &ev, adminsessions.Spooled); err != nil {
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

		began, cpu := time.Now(), cpuTime(b)
		x = openTo(b, scripted(func() loki.Answer {
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.Sys-now.HeapReleased))
			return taken
		}), dir, 4**drainBytes, opts...)
		opened := time.Since(began)
		events := x.Stats().BacklogEvents
		if err := x.ForceFlush(context.Background()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		cpu = cpuTime(b) - cpu
		b.StopTimer()
		shutdown(b, x)
		b.ReportMetric(float64(opened.Microseconds())/1000, "open-ms")
		b.ReportMetric(float64(events)/took.Seconds(), "events/s")
		b.ReportMetric(float64(cpu)/float64(events), "cpu-ns/event")
		b.ReportMetric((float64(peak.Load())-float64(before.Sys-before.HeapReleased))/(1<<20), "MiB-above-idle")
		b.StartTimer()
	}
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
