package verify

import (
	"crypto/rand"
	"flag"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/prooftest"
	"github.com/adminsessions/adminsessions/proof/verify"
)

var events = flag.Uint64("events", 1_000_000, "how many events the trail has")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

// event is one of the usual size: 520 bytes.
func event(number uint64) adminsessions.Event {
	return adminsessions.Event{
		Type: adminsessions.API, Method: "POST", StatusCode: 200, RequestID: rand.Text(), SessionID: rand.Text(), Duration: 12 * time.Millisecond,
		User:   adminsessions.User{ID: "12", FullName: "Anna Kowalska", Email: "anna.kowalska@example.com"},
		Action: "clients.update", Resource: adminsessions.Resource{Type: "clients", ID: "7731", Name: "Acme"},
		URL: "https://panel.example.com/admin/api/clients/7731/services/12", Route: "/admin/api/clients/{id}/services/{service}",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		Changes:   []adminsessions.Change{{Field: "plan", Old: "S", New: "M"}},
	}
}

// BenchmarkVerify verifies a trail in a real Loki, flushed to its store.
func BenchmarkVerify(b *testing.B) {
	server := lokitest.Start(b)
	client, err := loki.New(adminsessions.Loki{URL: server.URL()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	log := prooftest.New(b, "bench", time.Now().Add(-30*time.Hour).Truncate(time.Hour))
	log.Step, log.Every, log.Event = 24*time.Hour/time.Duration(*events), 10_000, event
	bytes := 0
	const part = 100_000
	for n := uint64(0); n < *events; n += part {
		log.Write(min(n+part, *events))
		for i := range log.Entries {
			bytes += len(log.Entries[i].Line)
		}
		if err := prooftest.Push(b.Context(), client, log.Entries); err != nil {
			b.Fatal(err)
		}
		log.Entries = log.Entries[:0]
	}
	log.Entries = nil
	if err := server.FlushAndForget(b.Context()); err != nil {
		b.Fatal(err)
	}
	var peak atomic.Uint64
	stop := watchHeap(&peak)
	defer stop()
	runtime.GC()
	cpu, lokiCPU, began := ownCPU(), server.CPUTime(), time.Now()
	for b.Loop() {
		r, err := verify.Run(b.Context(), verify.Config{Loki: adminsessions.Loki{URL: server.URL()}, Keys: []string{log.Public}})
		if err != nil {
			b.Fatal(err)
		}
		if r.Complete != verify.Yes || r.Unaltered != verify.Yes || r.Entries != *events {
			b.Fatal(r.Text())
		}
	}
	n := float64(b.N) * float64(*events) / 1e6
	b.ReportMetric(time.Since(began).Seconds()/n, "s/1M-events")
	b.ReportMetric((ownCPU()-cpu).Seconds()/n, "own-CPU-s/1M-events")
	b.ReportMetric((server.CPUTime()-lokiCPU).Seconds()/n, "loki-CPU-s/1M-events")
	b.ReportMetric(float64(peak.Load())/(1<<20), "peak-heap-MiB")
	b.ReportMetric(float64(bytes)/float64(*events), "line-B/event")
	b.ReportMetric(float64(len(log.Notes[len(log.Notes)-1])), "B/checkpoint")
}

// watchHeap notes the largest heap until stop is called.
func watchHeap(peak *atomic.Uint64) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapAlloc))
			}
		}
	}()
	return func() { close(done) }
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
