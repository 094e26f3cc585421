package pipeline

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestPoison records events that Loki refuses for good, among others that it
// takes. They are found, kept in the quarantine file with Loki's words, and hold
// nothing up; once the cause is gone they are delivered with their own numbers.
func TestPoison(t *testing.T) {
	data := lokitest.WithDataDir(t.TempDir())
	loki := startLoki(t, data, lokitest.WithArgs("-distributor.max-line-size=5KB"))
	proxy := startProxy(t, loki)
	proxy.inject(answerWith(503, nil, "")) // so that bad and good ones come in one batch
	dir := t.TempDir()
	r := record(t, "poison", exporterOptions(proxy.URL, dir, "poison"))
	var bad []string
	var long []attribute.KeyValue
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		long = append(long, attribute.String(key, strings.Repeat(key, 1000)))
	}
	for range 4 {
		r.traffic(100)
		bad = append(bad, r.poison(1, func(int) { r.sources[0].note, r.sources[0].attributes = strings.Repeat("x", 2000), long })...)
		r.sources[0].note, r.sources[0].attributes = "", nil
	}
	r.traffic(100)
	proxy.inject(nil)
	r.flush(t)

	quarantined := readQuarantine(t, dir)
	missing := make(map[uint64]bool)
	for i, q := range quarantined {
		missing[q.Sequence] = true
		ev, err := adminsessions.ParseLine(q.Line)
		if err != nil || i < len(bad) && ev.RequestID != bad[i] || ev.Sequence != q.Sequence {
			t.Errorf("event %d in quarantine is %q (%v), want %s", i, q.Line, err, bad[i])
		}
		if !strings.Contains(q.Answer, "max entry size") {
			t.Errorf("answer kept with event %d is %q", q.Sequence, q.Answer)
		}
		if !strings.Contains(q.Labels, q.LogID) || q.LogID == "" || q.Time == "" {
			t.Errorf("event %d in quarantine is not whole: %+v", q.Sequence, q)
		}
	}
	if len(quarantined) != len(bad) {
		t.Errorf("%d events in quarantine, want %d", len(quarantined), len(bad))
	}
	tr := newTrail(loki, "poison")
	r.verify(t, tr, expectation{
		missing: func(seq uint64) bool { return missing[seq] },
		// What Loki stored of a refused batch is sent again in parts.
		resent: true,
	})

	loki.Stop()
	loki = startLoki(t, data)
	proxy.to(loki)
	if err := os.Rename(filepath.Join(dir, "quarantine.ndjson"), filepath.Join(dir, "quarantine.retry.ndjson")); err != nil {
		t.Fatal(err)
	}
	await(t, "the events in quarantine to be delivered", func() bool { return r.Stats().Retried["delivered"] == uint64(len(bad)) })
	tr.loki = loki
	r.verify(t, tr, expectation{accepted: bad, resent: true})
}

// poison records n bad events, made so by prepare, and returns their ids. They
// do not count among the accepted ones.
func (r *recorder) poison(n int, prepare func(n int)) []string {
	var ids []string
	for i := range n {
		prepare(i)
		r.one(r.sources[0].next())
		last := len(r.accepted) - 1
		ids = append(ids, r.accepted[last])
		r.accepted = r.accepted[:last]
	}
	return ids
}

type quarantined struct {
	Reason   string `json:"reason"`
	Answer   string `json:"answer"`
	LogID    string `json:"log_id"`
	Sequence uint64 `json:"sequence_number"`
	Time     string `json:"timestamp_ns"`
	Labels   string `json:"labels"`
	Line     string `json:"line"`
}

func readQuarantine(t *testing.T, dir string) []quarantined {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "quarantine.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var found []quarantined
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q quarantined
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		found = append(found, q)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestLimits lets Loki refuse batches for their size and rate, as a Loki that is
// not configured for it does. Nothing of it is the events' fault, so nothing
// goes to quarantine.
func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
	}{
		{"message size", []string{"-server.grpc-max-recv-msg-size-bytes=131072"}},
		// A push larger than the burst never passes as a whole.
		{"rate", []string{"-distributor.ingestion-rate-limit-mb=1", "-distributor.ingestion-burst-size-mb=0.1"}},
		{"rate of a stream", []string{"-ingester.per-stream-rate-limit=1MB", "-ingester.per-stream-rate-limit-burst=100KB"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, dir := lokitest.WithDataDir(t.TempDir()), t.TempDir()
			loki := startLoki(t, data, lokitest.WithArgs(test.args...))
			r := record(t, "limits", exporterOptions(loki.URL(), dir, "limits",
				exporter.WithBatch(20*time.Millisecond, 1<<20)))
			r.traffic(700)
			r.flush(t)
			loki.Stop()
			// The limits are in the way of queries, too.
			loki = startLoki(t, data)
			newTrail(loki, "limits").verify(t, expectation{accepted: r.accepted, resent: true})
			if _, err := os.Stat(filepath.Join(dir, "quarantine.ndjson")); err == nil {
				t.Errorf("%d events in quarantine, want none", len(readQuarantine(t, dir)))
			}
		})
	}
}
