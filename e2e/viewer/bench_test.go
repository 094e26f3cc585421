package viewer

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

var benchEvents = flag.Int("events", 100_000, "events over 30 days that the benchmarks read from")

// BenchmarkView measures how long the server takes until it has sent the table,
// what Loki takes included. Beside that it reports
//
//   - loki-cpu-s/op: the CPU time of Loki's process;
//   - heap-MB: the most that live and dead objects have taken on the heap of the
//     process that serves the page (this one), looked at every millisecond;
//   - count-s: how long it took to count the view's events, once.
//
// The command, with some minutes for the events to be pushed:
//
//	cd e2e && go test ./viewer -run '^$' -bench View -timeout 2h -args -events 5000000
func BenchmarkView(b *testing.B) {
	loki := lokitest.Start(b)
	const days = 30
	since := time.Now().Add(-days * 24 * time.Hour)
	for end, left, batch := since, *benchEvents, 0; left > 0; batch++ {
		n := min(left, 2000)
		span := days * 24 * time.Hour * time.Duration(n) / time.Duration(*benchEvents)
		end = end.Add(span)
		events := traffic(uint64(batch), end, span, n)
		if left > *benchEvents/3 && left-n <= *benchEvents/3 {
			events[0].Note = "one needle"
		}
		for i := range events {
			if (*benchEvents-left+i)%max(*benchEvents/60, 1) == 7 {
				events[i].Note = "some straw"
			}
		}
		push(b, loki, stream("one", events...))
		left -= n
	}
	if err := loki.FlushAndForget(b.Context()); err != nil {
		b.Fatal(err)
	}
	p := newPanel(b, loki, func(c *viewer.Config) { c.QueryTimeout = 5 * time.Minute })
	for _, view := range []struct{ name, query string }{
		{"first-page", ""},
		{"first-page-of-30d", "?range=30d"},
		{"search-nothing-in-30d", "?range=30d&q=nothing+has+this"},
		{"search-one-in-30d", "?range=30d&q=one+needle"},
		{"search-60-in-30d", "?range=30d&q=some+straw"},
		{"search-all-and-an-address-in-30d", "?range=30d&q=panel&ip=10.0.0.1"},
		{"search-all-and-a-session-in-30d", "?range=30d&q=panel&session=none"},
		{"an-object-in-30d", "?range=30d&object=client/none"},
		{"a-tenant-in-30d", "?range=30d&tenant=none"},
		{"an-action-in-30d", "?range=30d&action=frobnicate"},
		{"an-admin-by-name-in-30d", "?range=30d&admin=nobody"},
		{"without-all-tenants-in-30d", "?range=30d&q=-tenant:north+-tenant:south+-outcome:failure"},
		{"a-request-in-400d", "?event=none"},
		{"sort-search-in-30d", "?range=30d&q=some+straw&sort=-duration"},
		{"sort-24h-by-duration", "?sort=-duration"},
	} {
		b.Run(view.name, func(b *testing.B) { benchmarkView(b, p, view.query) })
	}
}

func benchmarkView(b *testing.B, p *panel, query string) {
	// The page counts when it has sent the table. Known beforehand, the total
	// does not keep Loki busy while the next page is measured.
	start := time.Now()
	readUntil(b, p, "api/count"+query, "count")
	counted := time.Since(start)

	peak := peakHeap(b)
	before := p.loki.CPUTime()
	for b.Loop() {
		readUntil(b, p, query, `class="bar"`)
	}
	b.ReportMetric((p.loki.CPUTime()-before).Seconds()/float64(b.N), "loki-cpu-s/op")
	b.ReportMetric(float64(peak())/1e6, "heap-MB")
	b.ReportMetric(counted.Seconds(), "count-s")
}

// readUntil asks the panel and reads until the mark has come.
func readUntil(b *testing.B, p *panel, pathAndQuery, mark string) {
	b.Helper()
	resp, err := p.get(b.Context(), prefix+pathAndQuery)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var seen []byte
	buf := make([]byte, 32<<10)
	for !bytes.Contains(seen, []byte(mark)) {
		n, err := resp.Body.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil && (err != io.EOF || !bytes.Contains(seen, []byte(mark))) {
			b.Fatal(err)
		}
	}
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: status %d: %s", pathAndQuery, resp.StatusCode, seen)
	}
}

// peakHeap looks at the size of the heap every millisecond until the function
// that it returns is called, which returns the largest.
func peakHeap(b *testing.B) func() uint64 {
	runtime.GC()
	stop, peak := make(chan struct{}), make(chan uint64, 1)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for most := uint64(0); ; {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-stop:
				peak <- most
				return
			}
		}
	}()
	return func() uint64 { close(stop); return <-peak }
}
