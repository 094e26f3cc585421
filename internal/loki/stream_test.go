package loki

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/s2"
)

// read takes a message apart with Loki's own code.
func readMessage(t *testing.T, message []byte) push.Stream {
	t.Helper()
	raw, err := s2.Decode(nil, message)
	if err != nil {
		t.Fatal(err)
	}
	var r push.PushRequest
	if err := r.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	if len(r.Streams) != 1 {
		t.Fatalf("%d streams", len(r.Streams))
	}
	return r.Streams[0]
}

func TestStreamAsLokiReadsIt(t *testing.T) {
	const labels = `{audit_log_id="0af7", service_name="panel"}`
	var s Stream
	times := []int64{1, 999_999_999, 1_000_000_000, time.Date(2026, 11, 25, 1, 2, 3, 4, time.UTC).UnixNano(), -1, -1_500_000_000, 1 << 62}
	for round := range 3 { // its memory is used again
		s.Reset([]byte(labels))
		var lines []string
		for i, ns := range times {
			line := fmt.Sprintf("round %d line %d %s", round, i, bytes.Repeat([]byte("x"), i*50))
			s.Add(ns, []byte(line), []byte("\tseq=1"))
			lines = append(lines, line+"\tseq=1")
		}
		check := func(from, to int) {
			t.Helper()
			got := readMessage(t, s.Message(from, to))
			if got.Labels != labels || len(got.Entries) != to-from {
				t.Fatalf("labels %s, %d entries", got.Labels, len(got.Entries))
			}
			for i, e := range got.Entries {
				if e.Timestamp.UnixNano() != times[from+i] || e.Line != lines[from+i] || len(e.StructuredMetadata) != 0 {
					t.Errorf("entry %d: %v %q", i, e.Timestamp, e.Line)
				}
				if string(s.Line(from+i)) != e.Line {
					t.Errorf("line %d is %q", from+i, s.Line(from+i))
				}
			}
		}
		check(0, len(times))
		check(2, 5)
		check(0, 1)
		check(0, len(times))
		if s.Len() != len(times) || s.Size() < s.SizeOf(1, 3) {
			t.Errorf("len %d size %d part %d", s.Len(), s.Size(), s.SizeOf(1, 3))
		}
		s.Add(7, []byte("more"), nil)
		times, lines = append(times, 7), append(lines, "more")
		check(0, len(times))
		times = times[:len(times)-1]
	}
}
