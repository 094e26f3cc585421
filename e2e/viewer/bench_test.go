package viewer

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

var benchEvents = flag.Int("events", 100_000, "events over 30 days that the benchmarks read from")

// BenchmarkView measures how long the server takes until it has sent the table.
// What Loki takes is in it.
//
//	cd e2e && go test ./viewer -run '^$' -bench View -args -events 5000000
func BenchmarkView(b *testing.B) {
	loki := lokitest.Start(b)
	p := newPanel(b, loki)
	const days = 30
	start := time.Now().Add(-days * 24 * time.Hour)
	for left, batch := *benchEvents, 0; left > 0; batch++ {
		n := min(left, 2000)
		span := days * 24 * time.Hour * time.Duration(n) / time.Duration(*benchEvents)
		start = start.Add(span)
		push(b, loki, stream("one", traffic(uint64(batch), start, span, n)...))
		left -= n
	}
	if err := loki.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, view := range []struct{ name, query string }{
		{"first-page", ""},
		{"first-page-of-30d", "?range=30d"},
		{"search-nothing-in-30d", "?range=30d&q=nothing+has+this"},
		{"sort-24h-by-duration", "?sort=-duration"},
	} {
		b.Run(view.name, func(b *testing.B) {
			for b.Loop() {
				resp, err := p.get(b.Context(), prefix+view.query)
				if err != nil {
					b.Fatal(err)
				}
				if err := readUntil(resp.Body, []byte(`class="bar"`)); err != nil || resp.StatusCode != http.StatusOK {
					b.Fatalf("status %d, %v", resp.StatusCode, err)
				}
				resp.Body.Close()
			}
		})
	}
}

// readUntil reads until the mark has come.
func readUntil(r io.Reader, mark []byte) error {
	var seen []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		seen = append(seen, buf[:n]...)
		if bytes.Contains(seen, mark) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
