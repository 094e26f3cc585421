package pipeline

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestPoison records events that Loki refuses for good, among others that it
// takes. They are found, kept in the quarantine file with Loki's words, and
// hold nothing up.
func TestPoison(t *testing.T) {
	const tooLong = 8 << 10 // bytes of a line; the exporter itself allows 64 KiB
	for _, test := range []struct {
		name string
		args []string
		// record records events until some are bad, and returns how many are.
		record func(r *recorder) []string
		words  string
	}{
		{
			name: "too old",
			args: []string{"-validation.reject-old-samples.max-age=24h"},
			record: func(r *recorder) []string {
				// The spool keeps times in order, so only what comes first can
				// be too old.
				ids := r.poison(3, func(n int) { r.sources[0].at = time.Now().Add(-48*time.Hour + time.Duration(n)) })
				r.sources[0].at = time.Time{}
				r.traffic(300)
				return ids
			},
			words: "too old",
		},
		{
			name: "line too long",
			args: []string{"-distributor.max-line-size=8KB"},
			record: func(r *recorder) []string {
				var ids []string
				for range 4 {
					r.traffic(100)
					ids = append(ids, r.poison(1, func(int) { r.sources[0].note = strings.Repeat("x", tooLong) })...)
					r.sources[0].note = ""
				}
				r.traffic(100)
				return ids
			},
			words: "max entry size",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			loki := startLoki(t, lokitest.WithArgs(test.args...))
			proxy := startProxy(t, loki)
			proxy.inject(answerWith(503, nil, "")) // so that bad and good ones come in one batch
			dir := t.TempDir()
			r := record(t, "poison", exporterOptions(proxy.URL, dir, "poison"))
			bad := test.record(r)
			proxy.inject(nil)
			r.flush(t)

			quarantined := readQuarantine(t, dir)
			missing := make(map[uint64]bool)
			for i, q := range quarantined {
				missing[q.Sequence] = true
				if i < len(bad) && q.Metadata["admin_request_id"] != bad[i] {
					t.Errorf("event %d in quarantine is %s, want %s", i, q.Metadata["admin_request_id"], bad[i])
				}
				if !strings.Contains(q.Answer, test.words) {
					t.Errorf("answer kept with event %d is %q, want %q in it", q.Sequence, q.Answer, test.words)
				}
				if q.Line == "" || q.Labels == "" || q.Time == "" {
					t.Errorf("event %d in quarantine is not whole: %+v", q.Sequence, q)
				}
			}
			if len(quarantined) != len(bad) {
				t.Errorf("%d events in quarantine, want %d", len(quarantined), len(bad))
			}
			r.verify(t, newTrail(loki, "poison"), expectation{
				missing: func(seq uint64) bool { return missing[seq] },
				// What Loki stored of a refused batch is sent again in parts.
				resent: true,
			})
		})
	}
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
	Reason   string            `json:"reason"`
	Answer   string            `json:"answer"`
	Sequence uint64            `json:"sequence_number"`
	Time     string            `json:"timestamp_ns"`
	Labels   string            `json:"labels"`
	Line     string            `json:"line"`
	Metadata map[string]string `json:"structured_metadata"`
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
