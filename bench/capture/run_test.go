package capture

import (
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain gives the process a heap of the size that a panel's has. In an
// empty one the collector would run after every few hundred requests, and most
// of what is measured would be its.
func TestMain(m *testing.M) {
	ballast := make([]byte, 64<<20)
	code := m.Run()
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// threadTime is the processor time that the calling thread has had.
func threadTime(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func itoa(n int) string { return strconv.Itoa(n) }

// run divides b.N requests among goroutines.
func run(b *testing.B, h http.Handler, goroutines int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			r := request()
			for left.Add(-1) >= 0 {
				serve(h, r)
			}
		})
	}
	wg.Wait()
}

// BenchmarkPeers measures all candidates in turns, in rounds of a hundred
// requests, and reports for each one the nanoseconds of a request, and the
// ratio of what ours adds (to the bare handler; to otelhttp) to what slog's
// line adds to the bare handler.
//
// It counts the processor's time of the thread that serves the requests, which
// a busy machine changes much less than the time on the wall. What other
// threads do for a candidate (the exporter's shipping, the batch processor,
// the collector of garbage) is not in it.
func BenchmarkPeers(b *testing.B) {
	const round = 100
	handlers := make([]http.Handler, len(candidates))
	for i, c := range candidates {
		handlers[i] = c.handler(b)
	}
	spent := make([]time.Duration, len(candidates))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, rounds := request(), 0
	for b.Loop() {
		for i, h := range handlers {
			start := threadTime(b)
			for range round {
				serve(h, r)
			}
			spent[i] += threadTime(b) - start
		}
		rounds++
	}
	perRequest := func(name string) float64 {
		i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == name })
		return float64(spent[i].Nanoseconds()) / float64(rounds*round)
	}
	bare := perRequest("bare")
	slog := perRequest("slog") - bare
	for _, c := range candidates {
		b.ReportMetric(perRequest(c.name), c.name+"-ns")
	}
	b.ReportMetric((perRequest("ours/durable")-bare)/slog, "ours/durable:slog")
	b.ReportMetric((perRequest("ours+otelhttp/durable")-perRequest("otelhttp"))/slog, "added-to-otelhttp:slog")
	b.ReportMetric(0, "ns/op") // of a round of everything: says nothing
}

// BenchmarkAddedLatency measures the distribution of what a request pays with
// both cores busy, each sample around one request, and reports the added
// percentiles over the bare handler in microseconds.
func BenchmarkAddedLatency(b *testing.B) {
	for _, c := range candidates {
		if c.name == "sqlite" {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			h := c.handler(b)
			stop := make(chan struct{}) // closed below, ends the load
			var load sync.WaitGroup
			for range 2 {
				load.Go(func() {
					r := request()
					for {
						select {
						case <-stop:
							return
						default:
							serve(h, r)
						}
					}
				})
			}
			r := request()
			samples := make([]time.Duration, 0, b.N)
			for b.Loop() {
				start := time.Now()
				serve(h, r)
				samples = append(samples, time.Since(start))
			}
			close(stop)
			load.Wait()
			slices.Sort(samples)
			for _, p := range []float64{0.5, 0.99, 0.999} {
				at := samples[min(int(p*float64(len(samples))), len(samples)-1)]
				b.ReportMetric(float64(at.Nanoseconds())/1000, "p"+strconv.FormatFloat(p*100, 'f', -1, 64)+"-µs")
			}
		})
	}
}
