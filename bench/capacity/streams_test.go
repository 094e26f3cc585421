package capacity

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkStreams is what a fleet costs a Loki that takes it in.
func BenchmarkStreams(b *testing.B) {
	for _, panels := range fleets(b) {
		b.Run(fmt.Sprintf("panels=%d", panels), func(b *testing.B) {
			for b.Loop() {
				streams(b, panels, *eventsFlag, *rateFlag, *lastsFlag)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// TestStreams is the same with few panels: every figure is there.
func TestStreams(t *testing.T) { streams(t, 40, 24, 100, time.Second) }

func streams(t testing.TB, panels, events, rate int, lasts time.Duration) {
	s := start(t, raised())
	f := newFleet(t, s.URL(), panels)
	say := func(what string, value float64, unit string) {
		t.Logf("panels=%d %-46s %12.2f %s", panels, what, value, unit)
	}
	n := float64(panels)
	from := time.Now().Add(-12 * time.Hour)
	empty := s.heap()

	// One push a panel: each makes a stream.
	cpu, began := s.CPUTime(), time.Now()
	f.pushEach(t, 8, func(int) time.Time { return from })
	say("CPU a push that makes a stream", float64((s.CPUTime()-cpu).Microseconds())/n, "µs")
	say("pushes a second, 8 at a time", n/time.Since(began).Seconds(), "")
	say("heap a stream, 1 event in it", (s.heap()-empty)/n/1024, "KiB")

	// One push a panel: the streams are there.
	cpu = s.CPUTime()
	f.pushEach(t, 8, func(int) time.Time { return from.Add(time.Minute) })
	say("CPU a push of 1 event", float64((s.CPUTime()-cpu).Microseconds())/n, "µs")

	cpu = s.CPUTime()
	if err := f.fill(t.Context(), events-2, from.Add(2*time.Minute), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	say("CPU an event, pushed 4,000 at a time", float64((s.CPUTime()-cpu).Microseconds())/(n*float64(events-2)), "µs")
	say(fmt.Sprintf("heap a stream, %d events in it", events), (s.heap()-empty)/n/1024, "KiB")

	cpu = s.CPUTime()
	<-time.After(lasts)
	atRest := float64((s.CPUTime() - cpu).Microseconds()) / lasts.Seconds()
	say("CPU at rest", atRest/1e4, "% of a core")

	// A trickle: what a push waits for its answer.
	cpu = s.CPUTime()
	took := f.trickle(t, rate, lasts)
	say(fmt.Sprintf("CPU a push at %d/s, without that at rest", rate), (float64((s.CPUTime()-cpu).Microseconds())-atRest*lasts.Seconds())/float64(len(took)), "µs")
	say("latency p50", ms(took[len(took)/2]), "ms")
	say("latency p99", ms(took[len(took)*99/100]), "ms")
	say("latency, the longest", ms(took[len(took)-1]), "ms")

	// What is asked every minute, of what is in memory.
	const minutely = "AdminSessionsSignInFlood"
	expr, ok := rules(t)[minutely]
	if !ok {
		t.Fatalf("there is no rule %s", minutely)
	}
	cpu = s.CPUTime()
	const times = 5
	for range times {
		if _, err := s.Instant(t.Context(), expr, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	say("CPU of rule "+minutely, float64((s.CPUTime()-cpu).Milliseconds())/times, "ms")

	wal, _, _ := s.size("wal", nil)
	total := 0.0
	for _, last := range f.seq {
		total += float64(last)
	}
	say("WAL", wal/1e6, "MB")
	say("WAL an event", wal/total, "B")
	say("peak memory of the process", s.peak()/1e6, "MB")

	s.Kill()
	began = time.Now()
	s.Restart()
	say("ready again after kill -9", time.Since(began).Seconds(), "s")
	say("CPU of that", s.CPUTime().Seconds(), "s")
	say("peak memory of that", s.peak()/1e6, "MB")
	say("streams in memory then", s.metric("loki_ingester_memory_streams"), "")
	if there := s.count(t); there != total {
		t.Errorf("%.0f events are there after kill -9, want %.0f", there, total)
	}

	cpu, began = s.CPUTime(), time.Now()
	s.flush(t.Context())
	say("CPU to flush a stream", float64((s.CPUTime()-cpu).Microseconds())/n, "µs")
	say("flushing", time.Since(began).Seconds(), "s")
	s.Stop()
	s.Restart() // an index is uploaded by a Loki that ends
	bytes, files, disk := s.size("chunks", isChunk)
	say("chunks", files, "")
	say("a chunk", bytes/files, "B")
	say("chunks, an event", bytes/total, "B")
	say("chunks, an event, on a disk with blocks of 4 KiB", disk/total, "B")
	index, indexFiles, _ := s.size("chunks", isIndex)
	say("index a chunk", index/files, "B")
	say("index", indexFiles, "files")
}

// count is how many events Loki has of the fleet. It asks about a tenth of the
// services at a time: all at once may take longer than Loki allows.
func (s *server) count(t testing.TB) (events float64) {
	t.Helper()
	for tens := range 10 {
		samples, err := s.Instant(t.Context(), fmt.Sprintf(`sum(count_over_time({service_name=~"fleet-%d."} [48h]))`, tens), time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range samples {
			events += sample.Value
		}
	}
	return events
}

// pushEach pushes one event of each panel, so many at a time.
func (f *fleet) pushEach(t testing.TB, atOnce int, at func(panel int) time.Time) {
	t.Helper()
	messages := make(chan []byte)
	var senders sync.WaitGroup
	for range atOnce {
		senders.Go(func() {
			for m := range messages {
				if a := f.client.Push(t.Context(), m); a.Err != nil {
					t.Error(a.Err)
				}
			}
		})
	}
	for panel := range f.labels {
		messages <- f.message(panel, at(panel))
	}
	close(messages)
	senders.Wait()
}

// trickle pushes single events of panels, so many a second, and returns how long
// each took, the shortest first.
func (f *fleet) trickle(t testing.TB, rate int, lasts time.Duration) (took []time.Duration) {
	t.Helper()
	var pushes sync.WaitGroup
	var mu sync.Mutex
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	order := f.random.Perm(len(f.labels))
	for i := range int(lasts.Seconds() * float64(rate)) {
		m := f.message(order[i%len(order)], time.Now())
		<-tick.C
		pushes.Go(func() {
			began := time.Now()
			a := f.client.Push(t.Context(), m)
			if a.Err != nil {
				t.Error(a.Err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
		})
	}
	pushes.Wait()
	slices.Sort(took)
	return took
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
