package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// BenchmarkRecordEvent compares what recording an event costs the request while
// Loki takes events and while it is away, in turns, in one run. The ratio of the
// medians is the measure: a request must not notice.
func BenchmarkRecordEvent(b *testing.B) {
	loki := startLoki(b)
	proxy := startProxy(b, loki)
	r := record(b, "latency", exporterOptions(proxy.URL, b.TempDir(), "latency"))
	ways := []struct {
		name  string
		fault fault
		taken []time.Duration
	}{
		{name: "there"},
		{name: "away", fault: answerWith(503, nil, "")},
	}
	const turn = 500
	for b.Loop() {
		for i := range ways {
			proxy.inject(ways[i].fault)
			for range turn {
				e := r.sources[0].next()
				start := time.Now()
				if err := r.provider.RecordEvent(b.Context(), e, adminsessions.Spooled); err != nil {
					b.Fatal(err)
				}
				ways[i].taken = append(ways[i].taken, time.Since(start))
			}
		}
		proxy.inject(nil)
		r.flush(b)
	}
	b.ReportMetric(0, "ns/op") // of two turns and a flush: says nothing
	var median, high [2]float64
	for i, w := range ways {
		slices.Sort(w.taken)
		median[i], high[i] = float64(w.taken[len(w.taken)/2]), float64(w.taken[len(w.taken)*99/100])
		b.ReportMetric(median[i], "median-ns/"+w.name)
		b.ReportMetric(high[i], "p99-ns/"+w.name)
	}
	b.ReportMetric(median[1]/median[0], "away/there")
}
