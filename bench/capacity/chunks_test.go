package capacity

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkChunks is what a stream takes in memory and its chunk in the store, by
// how many events it has had before it is flushed.
func BenchmarkChunks(b *testing.B) {
	for _, events := range []int{1, 5, 24, 100, 240, 1000, 2400, 10_000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			for b.Loop() {
				chunks(b, max(20, min(4000, 400_000/events)), events)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func TestChunks(t *testing.T) { chunks(t, 10, 100) }

func chunks(t testing.TB, panels, events int) {
	s := start(t, raised())
	f := newFleet(t, s.URL(), panels)
	n := float64(panels)
	empty := s.heap()
	to := time.Now().Add(-time.Minute)
	if err := f.fill(t.Context(), events, to.Add(-12*time.Hour), to); err != nil {
		t.Fatal(err)
	}
	heap := s.heap() - empty
	wal, _, _ := s.size("wal", nil)
	cpu := s.CPUTime()
	s.flush(t.Context())
	cpu = s.CPUTime() - cpu
	s.Stop()
	s.Restart()
	if there := s.count(t); there != n*float64(events) {
		t.Errorf("%.0f events are there, want %.0f", there, n*float64(events))
	}
	bytes, files, disk := s.size("chunks", isChunk)
	index, _, _ := s.size("chunks", isIndex)
	t.Logf("%d events in each of %d streams: heap a stream %.1f KiB; CPU to flush one %.0f µs; chunks of one %.2f, each %.0f B; an event %.0f B, on a disk with blocks of 4 KiB %.0f B, in the WAL %.0f B; index a chunk %.0f B",
		events, panels, heap/n/1024, float64(cpu.Microseconds())/n, files/n, bytes/files, bytes/n/float64(events), disk/n/float64(events), wal/n/float64(events), index/files)
}
