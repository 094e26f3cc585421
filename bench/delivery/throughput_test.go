package delivery

import (
	"fmt"
	"testing"
)

// BenchmarkThroughput lets each peer deliver the same number of events, as fast
// as it takes them, turn by turn. The medians over the turns are compared.
func BenchmarkThroughput(b *testing.B) {
	loki := startLoki(b)
	peers := chosen(none, bare, ours, proved, sealed, lokiClient, otlpTuned, otlp)
	type figures struct{ rate, cpu, allocs, wire, heap, rss, lost []float64 }
	all := make(map[string]*figures)
	for _, p := range peers {
		all[p] = &figures{}
	}
	turn := 0
	for b.Loop() {
		turn++
		for _, name := range peers {
			instance := fmt.Sprintf("throughput-%s-%d", name, turn)
			u := startSender(b, senderConfig{
				Peer: name, Loki: loki.URL(), SpoolDir: b.TempDir(), Instance: instance, Events: *eventsFlag,
			}).wait()
			delivered := u.Accepted
			f := all[name]
			if name != none {
				got := readBack(b, loki, instance)
				delivered = len(got.ids)
				if (name == ours || name == proved || name == sealed) && (delivered != u.Accepted || got.doubled != 0) {
					b.Errorf("%d of %d events delivered, %d doubled", delivered, u.Accepted, got.doubled)
				}
			}
			f.rate = append(f.rate, float64(delivered)/u.Took.Seconds())
			f.cpu = append(f.cpu, u.perEvent(float64(u.CPU.Nanoseconds())/1e3))
			f.allocs = append(f.allocs, u.perEvent(float64(u.Mallocs)))
			f.wire = append(f.wire, u.perEvent(float64(u.Sent)))
			f.heap = append(f.heap, float64(u.PeakHeap))
			f.rss = append(f.rss, float64(u.PeakRSS))
			f.lost = append(f.lost, float64(u.Accepted-delivered))
		}
	}
	b.ReportMetric(0, "ns/op")
	var rows [][]string
	for _, name := range peers {
		f := all[name]
		rows = append(rows, []string{
			name, fmt.Sprintf("%.0f", median(f.rate)), fmt.Sprintf("%.2f", median(f.cpu)), fmt.Sprintf("%.2f", median(f.allocs)),
			fmt.Sprintf("%.0f", median(f.wire)), mib(int64(median(f.heap))), mib(int64(median(f.rss))), fmt.Sprintf("%.0f", median(f.lost)),
		})
	}
	table(b, fmt.Sprintf("%d turns of %d events", turn, *eventsFlag),
		[]string{"peer", "delivered events/s", "client CPU µs/event", "allocations/event", "bytes/event on the wire", "peak heap MiB", "peak RSS MiB", "lost"}, rows)

	ratio := func(other, unit string, of func(*figures) []float64) {
		if all[ours] == nil || all[other] == nil {
			return
		}
		// Turn by turn: the two stand next to each other in time.
		var r []float64
		for i, v := range of(all[ours]) {
			r = append(r, v/of(all[other])[i])
		}
		b.ReportMetric(median(r), unit)
	}
	ratio(proved, "cpu/proved", func(f *figures) []float64 { return f.cpu })
	ratio(proved, "wire/proved", func(f *figures) []float64 { return f.wire })
	ratio(sealed, "cpu/encrypted", func(f *figures) []float64 { return f.cpu })
	ratio(lokiClient, "rate/loki-client-go", func(f *figures) []float64 { return f.rate })
	ratio(lokiClient, "cpu/loki-client-go", func(f *figures) []float64 { return f.cpu })
	ratio(bare, "rate/bare", func(f *figures) []float64 { return f.rate })
	ratio(bare, "cpu/bare", func(f *figures) []float64 { return f.cpu })
}
