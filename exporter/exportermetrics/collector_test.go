package exportermetrics_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/exporter/exportermetrics"
)

func TestMetrics(t *testing.T) {
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer loki.Close()
	x, err := exporter.New(exporter.WithLoki(adminsessions.Loki{URL: loki.URL}), exporter.WithSpoolDir(t.TempDir()), exporter.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(exportermetrics.New(x))
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	for name, series := range map[string]int{
		"adminsessions_exporter_push_failures_total":      16,
		"adminsessions_exporter_events_quarantined_total": 3,
		"adminsessions_exporter_events_retried_total":     2,
	} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != series {
			t.Errorf("%s has %d series (%v) from the start, want %d", name, n, err, series)
		}
	}
	for range 3 {
		if err := x.RecordEvent(t.Context(), &adminsessions.Event{Time: time.Now(), Method: "GET"}, adminsessions.Spooled); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP adminsessions_exporter_events_accepted_total Events written to the spool.
# TYPE adminsessions_exporter_events_accepted_total counter
adminsessions_exporter_events_accepted_total 4
# HELP adminsessions_exporter_events_delivered_total Events that Loki has acknowledged.
# TYPE adminsessions_exporter_events_delivered_total counter
adminsessions_exporter_events_delivered_total 4
# HELP adminsessions_exporter_backlog_events Events in the spool that Loki has not acknowledged.
# TYPE adminsessions_exporter_backlog_events gauge
adminsessions_exporter_backlog_events 0
# HELP adminsessions_exporter_loki_up 1 if the last attempt to push was acknowledged or none was made, else 0.
# TYPE adminsessions_exporter_loki_up gauge
adminsessions_exporter_loki_up 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "adminsessions_exporter_events_accepted_total",
		"adminsessions_exporter_events_delivered_total", "adminsessions_exporter_backlog_events", "adminsessions_exporter_loki_up"); err != nil {
		t.Error(err)
	}
	if err := x.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
