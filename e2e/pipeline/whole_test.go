package pipeline

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// hostileService is a service's name with the words by which refusals are
// recognised; Loki's answers quote it.
const hostileService = `snappy-orders proto: tenant ID no org id larger than max '; 2 errors like: entry for stream '{}' has timestamp too new: 2026-01-01T00:00:00Z`

// TestWholeRequestsRefused: a Loki, or what stands before it, that refuses every
// push for a reason of its own costs no event. Nothing goes to quarantine, few
// pushes are made, and once the cause is gone everything is delivered.
func TestWholeRequestsRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"ingestion blocked":              {"-limits.block-ingestion-until=2100-01-01T00:00:00Z", "-limits.block-ingestion-status-code=400"},
		"required labels":                {"-validation.enforced-labels=team"},
		"too many labels":                {"-validation.max-label-names-per-series=1"},
		"labels' values too long":        {"-validation.max-length-label-value=20"},
		"lines shorter than any event's": {"-distributor.max-line-size=100"},
	} {
		t.Run(name, func(t *testing.T) {
			data := lokitest.WithDataDir(t.TempDir())
			loki := startLoki(t, data, lokitest.WithArgs(args...))
			proxy := startProxy(t, loki)
			r, dir := hostileRecorder(t, proxy)
			refuseAndRecover(t, r, dir, proxy, func() *lokitest.Server {
				loki.Stop()
				loki = startLoki(t, data)
				proxy.to(loki)
				return loki
			})
		})
	}
	loki := startLoki(t)
	for name, fault := range map[string]fault{
		"plain HTTP to an HTTPS port": answerWith(400, http.Header{"Content-Type": {"text/html"}}, "<html>400 The plain HTTP request was sent to HTTPS port</html>"),
		"empty 400":                   answerWith(400, nil, ""),
		"a gateway's 422":             answerWith(422, nil, `{"message":"max entry size '1' bytes exceeded for stream"}`),
		"a gateway's 413":             answerWith(413, nil, ""),
		"431":                         answerWith(431, nil, ""),
		"499":                         answerWith(499, nil, ""),
	} {
		t.Run(name, func(t *testing.T) {
			proxy := startProxy(t, loki)
			r, dir := hostileRecorder(t, proxy)
			proxy.inject(fault)
			refuseAndRecover(t, r, dir, proxy, func() *lokitest.Server {
				proxy.inject(nil)
				return loki
			})
		})
	}
}

func hostileRecorder(t *testing.T, proxy *faultProxy) (r *recorder, dir string) {
	dir = t.TempDir()
	return record(t, "whole", exporterOptions(proxy.URL, dir, t.Name(), exporter.WithBackoff(100*time.Millisecond, time.Second), exporter.WithResource(resource.NewSchemaless(
		attribute.String("service.name", hostileService),
		attribute.String("service.instance.id", t.Name()),
	)))), dir
}

func refuseAndRecover(t *testing.T, r *recorder, dir string, proxy *faultProxy, mend func() *lokitest.Server) {
	t.Helper()
	r.traffic(150)
	await(t, "refusals", func() bool { return len(proxy.seen()) >= 10 })
	r.traffic(50)
	await(t, "the refusal to show", func() bool { return r.Health() != nil })
	if b := r.backlog(); !about(b, 400) {
		t.Errorf("backlog = %d events, want 400", b)
	}
	tr := newTrail(mend(), t.Name())
	tr.service = hostileService
	r.verify(t, tr, expectation{})
	if _, err := os.Stat(filepath.Join(dir, "quarantine.ndjson")); err == nil {
		t.Errorf("%d events in quarantine", len(readQuarantine(t, dir)))
	}
}

// TestTwoSpoolsOfOneInstance: one process's backlog of hours does not suffer from
// another of the same name that has been delivering meanwhile.
func TestTwoSpoolsOfOneInstance(t *testing.T) {
	loki := startLoki(t, lokitest.WithArgs("-ingester.max-chunk-age=2h"))
	proxy := startProxy(t, loki)
	proxy.inject(answerWith(503, nil, ""))
	dir, other := t.TempDir(), t.TempDir()
	behind := record(t, "behind", exporterOptions(proxy.URL, dir, "twins"))
	current := record(t, "current", exporterOptions(loki.URL(), other, "twins"))
	for i := range 2000 {
		behind.sources[0].at = time.Now().Add(-10*time.Hour + time.Duration(i)*10*time.Second)
		behind.one(behind.sources[0].next())
	}
	current.traffic(500)
	current.flush(t)
	proxy.inject(nil)
	behind.flush(t)
	entries := map[string]int{}
	for _, e := range (trail{loki: loki, service: serviceName, instance: "twins", since: 12 * time.Hour}).read(t) {
		if e.event.Type == adminsessions.Trail {
			continue
		}
		entries[e.Labels["audit_log_id"]]++
		if e.event.Time != e.Time && time.Since(e.Time) > time.Hour {
			t.Errorf("entry %d was moved from %v to %v", e.seq, e.event.Time, e.Time)
		}
	}
	if len(entries) != 2 {
		t.Fatalf("%d streams, want 2", len(entries))
	}
	for id, n := range entries {
		if n != 2000 && n != 1000 {
			t.Errorf("%d entries of log %s", n, id)
		}
	}
	for _, d := range []string{dir, other} {
		if _, err := os.Stat(filepath.Join(d, "quarantine.ndjson")); err == nil {
			t.Errorf("events in quarantine: %+v", readQuarantine(t, d))
		}
	}
}
