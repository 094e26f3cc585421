package exporter

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/grafana/loki/pkg/push"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

const testLabels = `{service_instance_id="host-1", service_name="panel"}`

var testEvent = adminsessions.Event{
	Time:          time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC),
	Observed:      time.Date(2026, 11, 22, 10, 0, 0, 223456789, time.UTC),
	Stage:         adminsessions.Complete,
	RequestID:     "0af7651916cd43dd",
	Type:          adminsessions.API,
	User:          adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"},
	ClientAddress: netip.MustParseAddr("10.2.3.4"),
	Method:        "GET",
	URL:           "https://demo.example/admin/api/clients",
	Route:         "GET /admin/api/clients",
	StatusCode:    200,
	Duration:      1500 * time.Microsecond,
	UserAgent:     "curl/8.5",
}

// decode turns a payload into what Loki's own code reads from a push of it.
func decode(t testing.TB, payload []byte, seq uint64, at time.Time) push.Stream {
	t.Helper()
	b := newBatch("0123456789abcdef", false)
	if err := b.add(&spool.Record{Seq: seq, Time: at.UnixNano(), Origin: at.UnixNano(), Payload: payload}); err != nil {
		t.Fatal(err)
	}
	closeRequest(b.streams[0].raw)
	return unmarshal(t, b.streams[0].raw)
}

func unmarshal(t testing.TB, message []byte) push.Stream {
	t.Helper()
	var req push.PushRequest
	if err := req.Unmarshal(message); err != nil {
		t.Fatalf("loki can't read the push: %v", err)
	}
	if len(req.Streams) != 1 {
		t.Fatalf("push has %d streams, want 1", len(req.Streams))
	}
	return req.Streams[0]
}

func metadata(t testing.TB, e push.Entry) map[string]string {
	t.Helper()
	m := make(map[string]string)
	for _, p := range e.StructuredMetadata {
		if _, ok := m[p.Name]; ok {
			t.Errorf("metadata name %q stands twice", p.Name)
		}
		m[p.Name] = p.Value
	}
	return m
}

func encodeEvent(ev *adminsessions.Event, sc trace.SpanContext) []byte {
	e := newEncoder(testLabels)
	defer e.release()
	e.event(ev, sc)
	return append([]byte(nil), e.finish()...)
}

func TestEventAsLokiReadsIt(t *testing.T) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5}, TraceFlags: trace.FlagsSampled,
	})
	s := decode(t, encodeEvent(&testEvent, sc), 42, testEvent.Time)
	if s.Labels != testLabels {
		t.Errorf("labels %s, want %s", s.Labels, testLabels)
	}
	got := s.Entries[0]
	if !got.Timestamp.Equal(testEvent.Time) {
		t.Errorf("timestamp %v, want %v", got.Timestamp, testEvent.Time)
	}
	if want := `API GET https://demo.example/admin/api/clients 200 "Anna Kowalska" <anna@example.com> 10.2.3.4`; got.Line != want {
		t.Errorf("line\n%s\nwant\n%s", got.Line, want)
	}
	want := map[string]string{
		"user_id": "7", "user_full_name": "Anna Kowalska", "user_email": "anna@example.com",
		"client_address": "10.2.3.4", "admin_interface": "api", "http_request_method": "GET",
		"url_full": "https://demo.example/admin/api/clients", "http_route": "GET /admin/api/clients",
		"http_response_status_code": "200", "http_server_request_duration": "0.0015",
		"user_agent_original": "curl/8.5", "admin_request_stage": "complete", "admin_request_id": "0af7651916cd43dd",
		"observed_timestamp": "1795341600223456789", "severity_number": "9", "severity_text": "INFO", "flags": "1",
		"trace_id": "01020300000000000000000000000000", "span_id": "0405000000000000",
		"scope_name": adminsessions.ScopeName, "scope_version": adminsessions.Version,
		"audit_log_id": "0123456789abcdef", "audit_sequence_number": "42",
	}
	gotMeta := metadata(t, got)
	for name, v := range want {
		if gotMeta[name] != v {
			t.Errorf("%s is %q, want %q", name, gotMeta[name], v)
		}
		delete(gotMeta, name)
	}
	for name, v := range gotMeta {
		t.Errorf("unexpected metadata %s=%q", name, v)
	}
}

// The direct way and the way through an OpenTelemetry record end in the same
// bytes.
func TestEventAndRecordAreTheSame(t *testing.T) {
	ev := testEvent
	ev.Attributes = []attribute.KeyValue{attribute.String("client.plan", "gold"), attribute.Int64Slice("ids", []int64{1, 2})}
	ev.Cut = []string{"url.full"}
	r := ev.Record()
	f := logtest.RecordFactory{
		EventName: r.EventName(), Timestamp: r.Timestamp(), ObservedTimestamp: r.ObservedTimestamp(),
		Severity: r.Severity(), SeverityText: r.SeverityText(), Body: r.Body(),
		InstrumentationScope: scope,
	}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		f.Attributes = append(f.Attributes, kv)
		return true
	})
	rec := f.NewRecord()
	e := newEncoder(testLabels)
	e.record(&rec)
	if direct, viaRecord := string(encodeEvent(&ev, trace.SpanContext{})), string(e.finish()); direct != viaRecord {
		t.Errorf("direct:\n%q\nas a record:\n%q", direct, viaRecord)
	}
}

func TestRecordLimits(t *testing.T) {
	long := strings.Repeat("ł", 40<<10)
	tests := []struct {
		name  string
		attrs []attribute.KeyValue
		body  string
		check func(t *testing.T, line string, m map[string]string)
	}{
		{"long line", nil, long, func(t *testing.T, line string, m map[string]string) {
			if len(line) > maxLineBytes || !utf8.ValidString(line) || m["audit_truncated"] != "line" {
				t.Errorf("line of %d bytes, audit_truncated %q", len(line), m["audit_truncated"])
			}
		}},
		{"long value", []attribute.KeyValue{attribute.String("note", long)}, "x", func(t *testing.T, _ string, m map[string]string) {
			if v := m["note"]; len(v) > maxValueBytes || len(v) < maxValueBytes-4 || !utf8.ValidString(v) || m["audit_truncated"] != "note" {
				t.Errorf("value of %d bytes, audit_truncated %q", len(m["note"]), m["audit_truncated"])
			}
		}},
		{"too many names", manyAttributes(120), "x", func(t *testing.T, _ string, m map[string]string) {
			if len(m) > 128 || m["a119"] != "" || !strings.HasSuffix(m["audit_truncated"], ",a119") {
				t.Errorf("%d names, audit_truncated %q", len(m), m["audit_truncated"])
			}
		}},
		{"too many bytes", []attribute.KeyValue{
			attribute.String("a", long[:16000]), attribute.String("b", long[:16000]),
			attribute.String("c", long[:16000]), attribute.String("d", long[:16000]),
		}, "x", func(t *testing.T, _ string, m map[string]string) {
			if m["d"] != "" || m["audit_truncated"] != "d" {
				t.Errorf("audit_truncated %q", m["audit_truncated"])
			}
		}},
		{"names that collide", []attribute.KeyValue{attribute.String("a.b", "1"), attribute.String("a_b", "2")}, "x", func(t *testing.T, _ string, m map[string]string) {
			if m["a_b"] != "1" || m["audit_truncated"] != "a_b" {
				t.Errorf("metadata %v", m)
			}
		}},
		{"what loki would replace", []attribute.KeyValue{attribute.String("v", "a\x00b\xffc"), attribute.String("empty", "")}, "l\x00\xff", func(t *testing.T, line string, m map[string]string) {
			if line != "l\uFFFD\uFFFD" || m["v"] != "a\uFFFDb\uFFFDc" {
				t.Errorf("line %q, metadata %v", line, m)
			}
			if _, ok := m["empty"]; ok {
				t.Error("an empty value is sent")
			}
		}},
		{"a map", []attribute.KeyValue{attribute.Map("before", attribute.String("plan.name", "gold"), attribute.Int("n", 1))}, "x", func(t *testing.T, _ string, m map[string]string) {
			if m["before_plan_name"] != "gold" || m["before_n"] != "1" {
				t.Errorf("metadata %v", m)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := logtest.RecordFactory{Body: attribute.StringValue(tt.body), Attributes: tt.attrs, Severity: log.SeverityInfo}.NewRecord()
			e := newEncoder(testLabels)
			e.record(&rec)
			entry := decode(t, e.finish(), 1, time.Unix(1, 0)).Entries[0]
			tt.check(t, entry.Line, metadata(t, entry))
		})
	}
}

func manyAttributes(n int) []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, n)
	for i := range kvs {
		kvs[i] = attribute.Int("a"+string(rune('0'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10)), i)
	}
	return kvs
}

// Whatever a record holds, Loki can read the push.
func FuzzEntry(f *testing.F) {
	f.Add("body", "key", "value", "key.2", int64(-1), 0.5)
	f.Add("", "", "", "\xff", int64(0), 1e-9)
	f.Fuzz(func(t *testing.T, body, key, value, key2 string, n int64, x float64) {
		e := newEncoder(testLabels)
		e.line(body)
		e.first = len(e.buf)
		e.attribute(key, attribute.StringValue(value), 0)
		e.attribute(key2, attribute.Int64Value(n), 0)
		e.attribute(key, attribute.Float64Value(x), 0)
		e.attribute(key2, attribute.MapValue(attribute.String(key, value)), 0)
		payload := e.finish()
		if _, w := binary.Uvarint(payload); w != 1 {
			t.Fatal("labels are not behind their length")
		}
		entry := decode(t, payload, 1, time.Unix(1, 0)).Entries[0]
		if !utf8.ValidString(entry.Line) {
			t.Errorf("line %q is not UTF-8", entry.Line)
		}
		for name, v := range metadata(t, entry) {
			if name == "" || v == "" || !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				t.Errorf("metadata %q=%q", name, v)
			}
		}
	})
}
