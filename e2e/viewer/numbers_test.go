package viewer

import (
	"fmt"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// TestMoreLogsThanSeries has more logs than Loki's max_query_series. Each is told
// of with its own numbers, and all are counted.
func TestMoreLogsThanSeries(t *testing.T) {
	const logs, gap = 96, 17
	to := time.Now().Truncate(time.Millisecond)
	window := trail.Window{From: to.Add(-time.Hour), To: to}
	push := func(server *lokitest.Server) (events int64) {
		streams := make([]lokitest.Stream, logs)
		for i := range streams {
			id := fmt.Sprintf("%02x%030d", i*256/logs, i)
			if i == logs-1 {
				id = "z, which no exporter gives"
			}
			streams[i].Labels = map[string]string{"service_name": "panel", "service_instance_id": "host", "audit_log_id": id}
			for n := range 3 + i%3 {
				if i == gap && n == 1 {
					continue
				}
				e := adminsessions.Event{Time: to.Add(-time.Minute), Type: adminsessions.API, Method: "GET", StatusCode: 200, URL: "https://panel.example/"}
				streams[i].Entries = append(streams[i].Entries, lokitest.Entry{
					Time: e.Time.Add(time.Duration(n) * time.Millisecond),
					Line: string(adminsessions.AppendSequence(e.AppendLine(nil), uint64(i+n+1), time.Time{})),
				})
				events++
			}
		}
		if err := server.Push(t.Context(), streams...); err != nil {
			t.Fatal(err)
		}
		return events
	}
	for name, limit := range map[string]string{"unlimited": "1000", "16 parts": "10", "256 parts": "2"} {
		t.Run(name, func(t *testing.T) {
			server := lokitest.Start(t, lokitest.WithArgs("-querier.max-query-series="+limit))
			events := push(server)
			client, err := loki.New(adminsessions.Loki{URL: server.URL()}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseIdleConnections()
			store := trail.New(client, trail.Config{Now: time.Now}).Within(trail.Scope{All: true})
			numbers, err := store.Numbers(t.Context(), window)
			if err != nil || len(numbers) != logs {
				t.Fatalf("%d logs, %v; want %d", len(numbers), err, logs)
			}
			for i, n := range numbers {
				last := uint64(i + 3 + i%3)
				missing := int64(0)
				if i == gap {
					missing = 1
				}
				if n.First != uint64(i+1) || n.Last != last || n.Missing() != missing {
					t.Errorf("log %d: %+v, %d missing; want %d to %d, %d", i, n, n.Missing(), i+1, last, missing)
				}
			}
			if n, err := store.Count(t.Context(), trail.Filter{}, window); err != nil || n != (trail.Count{N: events}) {
				t.Errorf("counted %+v, %v; want %d", n, err, events)
			}
		})
	}
}
