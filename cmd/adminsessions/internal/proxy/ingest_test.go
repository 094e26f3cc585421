package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/recordtest"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/policy"
)

func startIngest(t testing.TB, sink *recordtest.Sink, durability string) http.Handler {
	t.Helper()
	h, err := newIngest(&Ingest{Durability: durability, MaxBytes: 1 << 20, Timeout: time.Second}, &policy.Redaction{Query: []string{"badge"}}, sink,
		newStored(), newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hand(t testing.TB, h http.Handler, path, contentType string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", "http://127.0.0.1:4318"+path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// otlpLogs is one record with attributes, given as name, value, ….
func otlpLogs(event, body string, attrs ...string) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "billing")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetEventName(event)
	lr.Body().SetStr(body)
	lr.SetTraceID([16]byte{1, 2, 3})
	for i := 0; i < len(attrs); i += 2 {
		lr.Attributes().PutStr(attrs[i], attrs[i+1])
	}
	return logs
}

func TestOTLPIsTakenInBothForms(t *testing.T) {
	logs := otlpLogs("admin.act", "reminded", "admin.interface", "job", "admin.action", "invoices.remind", "user.email", "anna@example.com",
		"url.full", "https://panel.example/x?badge=77", "api_key", "hunter2", "admin.note", "token=abcdef", "admin.credential.id", "ghp_0123456789abcdefghijklmnopqrstuvwxyzA")
	proto, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := new(plog.JSONMarshaler).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(proto)
	_ = z.Close()
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		headers     []string
	}{
		"protobuf": {"application/x-protobuf", proto, nil},
		"JSON":     {"application/json", text, nil},
		"gzip":     {"application/x-protobuf", zipped.Bytes(), []string{"Content-Encoding", "gzip"}},
	} {
		t.Run(name, func(t *testing.T) {
			var sink recordtest.Sink
			w := hand(t, startIngest(t, &sink, "synced"), "/v1/logs", c.contentType, c.body, c.headers...)
			if w.Code != 200 || w.Header().Get("Content-Type") != c.contentType {
				t.Fatalf("answered %d %q", w.Code, w.Body)
			}
			e := sink.Only(t)
			if e.Type != adminsessions.Job || e.Action != "invoices.remind" || e.User.Email != "anna@example.com" || e.URL != "https://panel.example/x?badge=REDACTED" ||
				e.TraceID != [16]byte{1, 2, 3} || e.Time.IsZero() || sink.Synced() != 1 {
				t.Errorf("recorded %s", e.Line())
			}
			attrs := attributes(e)
			if attrs["api_key"] != "REDACTED" || attrs["admin.ingest"] != "otlp" || attrs["service.name"] != "billing" || strings.Contains(e.Line(), "abcdef") || e.Actor.CredentialID != "REDACTED" {
				t.Errorf("recorded %s", e.Line())
			}
		})
	}
}

// Nobody can write what the trail says of itself.
func TestTrailEventsAreRefused(t *testing.T) {
	trail := adminsessions.Event{Type: adminsessions.Trail, Action: "trail.checkpoint", Checkpoint: "x"}
	for name, logs := range map[string]plog.Logs{
		"by type":       otlpLogs("", "x", "admin.interface", "Trail", "admin.action", "a.b"),
		"by event name": otlpLogs("audit.trail", "x"),
		"by action":     otlpLogs("", "x", "admin.action", "trail.started"),
		"by checkpoint": otlpLogs("", "x", "audit.checkpoint", "forged"),
		"by line":       otlpLogs("", trail.Line()),
	} {
		var sink recordtest.Sink
		b, err := new(plog.JSONMarshaler).MarshalLogs(logs)
		if err != nil {
			t.Fatal(err)
		}
		w := hand(t, startIngest(t, &sink, "written"), "/v1/logs", "application/json", b)
		var answer struct {
			PartialSuccess struct{ RejectedLogRecords, ErrorMessage string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.PartialSuccess.RejectedLogRecords != "1" || len(sink.Events()) != 0 {
			t.Errorf("%s: answered %d %s, recorded %q", name, w.Code, w.Body, recordtest.Lines(sink.Events()))
		}
	}
	for _, line := range []string{
		`{"type":"TRAIL","action":"x.y"}`, `{"type":"trail","action":"x.y"}`, `{"action":"Trail.started"}`, `{"action":" trail.started"}`, `{"action":"trail.started "}`,
		`{"action":"x.y","checkpoint":"x"}`,
		`{"action":"x.y","attributes":{"admin.interface":"trail"}}`, `{"action":"x.y","attributes":{"audit.checkpoint":"x"}}`,
	} {
		var sink recordtest.Sink
		w := hand(t, startIngest(t, &sink, "written"), "/v1/events", "application/x-ndjson", []byte(line))
		if len(sink.Events()) != 0 || !strings.Contains(w.Body.String(), `"refused":1`) {
			t.Errorf("%s: answered %d %s", line, w.Code, w.Body)
		}
	}
}

func TestNDJSONIsTakenLineByLine(t *testing.T) {
	var sink recordtest.Sink
	body := `{"time":"2026-11-25T18:00:00.5Z","type":"API","method":"POST","status":201,"ms":12.5,"email":"anna@example.com","ip":"10.1.2.3","action":"clients.create","object":"client","object_id":7731,"object_name":"Acme","note":"a\nb","trace":"0102030405060708090a0b0c0d0e0f10","changes":{"status":[null,"active"],"password":["x","y"]},"attributes":{"plan":"S","n":1}}

{"action":"x.y","nonsense":1}
{"action":"x.y","status":"abc"}
{"method":"GET"}
{"note":"nothing was done"}
[1]
{"action":"x.y","time":"2999-01-01T00:00:00Z"}
`
	w := hand(t, startIngest(t, &sink, "written"), "/v1/events", "application/x-ndjson", []byte(body))
	if got := w.Body.String(); w.Code != 200 || !strings.Contains(got, `"accepted":2`) || !strings.Contains(got, `"refused":5`) || !strings.Contains(got, "line 2: nonsense") {
		t.Errorf("answered %d %s", w.Code, got)
	}
	e := sink.Events()[0]
	if e.StatusCode != 201 || e.Duration != 12500*time.Microsecond || e.ClientAddress.String() != "10.1.2.3" || e.Resource != (adminsessions.Resource{Type: "client", ID: "7731", Name: "Acme"}) ||
		!e.Time.Equal(time.Date(2026, 11, 25, 18, 0, 0, 5e8, time.UTC)) || len(e.Changes) != 2 || attributes(e)["plan"] != "S" || !e.TraceID.IsValid() || strings.ContainsAny(e.Line(), "\n") {
		t.Errorf("recorded %s", e.Line())
	}
	for _, c := range e.Changes {
		if c.Field == "password" && c.New != "REDACTED" {
			t.Errorf("recorded %s", e.Line())
		}
	}
}

// What could not be stored is sent again, and what was stored is not stored
// twice.
func TestEventsAreNeitherLostNorDoubled(t *testing.T) {
	full := true
	var sink recordtest.Sink
	sink.Fail = func(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
		if full && e.Action == "n.3" {
			return fmt.Errorf("the spool is full: %w", adminsessions.ErrRefused)
		}
		return nil
	}
	h := startIngest(t, &sink, "written")
	var body []byte
	for i := range 6 {
		body = fmt.Appendf(body, "{\"action\":\"n.%d\"}\n", i)
	}
	w := hand(t, h, "/v1/events", "application/x-ndjson", body)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d", w.Code)
	}
	full = false
	if w = hand(t, h, "/v1/events", "application/x-ndjson", body); w.Code != 200 {
		t.Errorf("answered %d", w.Code)
	}
	var got []string
	for _, e := range sink.Events() {
		got = append(got, e.Action)
	}
	if want := []string{"n.0", "n.1", "n.2", "n.3", "n.4", "n.5"}; !slices.Equal(got, want) {
		t.Errorf("stored %q", got)
	}
}

// Whatever becomes of a request: who is told that an event is taken has it as safe as
// it was to be, also the second time, and no event is taken for stored that may not be.
func TestAnsweredEventsAreSafe(t *testing.T) {
	body := []byte(`{"action":"a.b","time":"2026-11-25T18:00:00.123Z"}`)
	post := func(h http.Handler) int { return hand(t, h, "/v1/events", "application/x-ndjson", body).Code }
	failing := errors.New("the disk fails")

	sink := recordtest.Sink{Unsynced: failing}
	h := startIngest(t, &sink, "synced")
	for range 3 {
		if code := post(h); code != 503 {
			t.Errorf("answered %d though the event is not synced", code)
		}
	}
	if sink.Unsynced = nil; post(h) != 200 || sink.Synced() != 1 || len(sink.Events()) != 1 {
		t.Errorf("%d of %d events are synced", sink.Synced(), len(sink.Events()))
	}

	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"it is in the spool, and not synced":      {&spool.NotDurableError{Rec: spool.Record{Seq: 7}, Err: failing}, 0},
		"nobody knows whether it is in the spool": {&spool.NotDurableError{Err: failing}, 1},
		"another error":  {failing, 1},
		"it was refused": {adminsessions.ErrRefused, 1},
	} {
		var sink recordtest.Sink
		sink.Fail = func(context.Context, *adminsessions.Event, adminsessions.Durability) error { return c.err }
		h := startIngest(t, &sink, "written")
		if code := post(h); code != 503 {
			t.Errorf("%s: answered %d though the event is not safe", name, code)
		}
		sink.Fail = nil
		if code := post(h); code != 200 || len(sink.Events()) != c.want {
			t.Errorf("%s: answered %d, and stored it %d times more, want %d", name, code, len(sink.Events()), c.want)
		}
	}
}

func TestStrangersCanHandInNothing(t *testing.T) {
	event := []byte(`{"action":"a.b"}`)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		headers     []string
		want        int
	}{
		"a page":            {"application/json", event, []string{"Origin", "https://evil.example"}, 403},
		"a form of a page":  {"text/plain", event, nil, 415},
		"a browser":         {"application/json", event, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another host":      {"application/json", event, []string{"Host", "evil.example"}, 403},
		"a bomb":            {"application/json", bomb.Bytes(), []string{"Content-Encoding", "gzip"}, 413},
		"too much":          {"application/json", make([]byte, 2<<20), nil, 413},
		"no gzip":           {"application/json", event, []string{"Content-Encoding", "gzip"}, 400},
		"another encoding":  {"application/json", event, []string{"Content-Encoding", "br"}, 415},
		"nothing":           {"application/json", nil, nil, 400},
		"this machine":      {"application/json", event, []string{"Host", "localhost:4318"}, 200},
		"this machine in 6": {"application/json", event, []string{"Host", "[::1]:4318"}, 200},
	} {
		var sink recordtest.Sink
		w := hand(t, startIngest(t, &sink, "written"), "/v1/events", c.contentType, c.body, c.headers...)
		if w.Code != c.want || (len(sink.Events()) == 1) != (c.want == 200) {
			t.Errorf("%s: answered %d %s, want %d", name, w.Code, w.Body, c.want)
		}
	}
	var sink recordtest.Sink
	if w := hand(t, startIngest(t, &sink, "written"), "/v1/logs", "application/x-protobuf", []byte("nonsense")); w.Code != 400 {
		t.Errorf("nonsense is answered with %d", w.Code)
	}
}

// What is small on the way and large in memory is refused before it is read.
func TestWhatWouldGrowIsNotRead(t *testing.T) {
	wrapped := func(b []byte) []byte {
		return protowire.AppendBytes([]byte{0x0a}, protowire.AppendBytes([]byte{0x12}, b))
	}
	deep := func(n int) string { return strings.Repeat(`{"arrayValue":{"values":[`, n) + strings.Repeat("]}}", n) }
	for name, c := range map[string]struct{ path, contentType, body string }{
		"empty records":     {"/v1/logs", "application/x-protobuf", string(wrapped(bytes.Repeat([]byte{0x12, 0x00}, 450_000)))},
		"empty attributes":  {"/v1/logs", "application/x-protobuf", string(wrapped(protowire.AppendBytes([]byte{0x12}, bytes.Repeat([]byte{0x32, 0x00}, 450_000))))},
		"in JSON":           {"/v1/logs", "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":` + deep(30_000) + `}]}]}]}`},
		"lists in JSON":     {"/v1/logs", "application/json", strings.Repeat("[", 900_000)},
		"an attribute deep": {"/v1/events", "application/json", `{"action":"a.b","attributes":{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`},
	} {
		var sink recordtest.Sink
		w := hand(t, startIngest(t, &sink, "written"), c.path, c.contentType, []byte(c.body))
		if !strings.Contains(w.Body.String(), "send fewer") || len(sink.Events()) != 0 {
			t.Errorf("%s: answered %d %.300q", name, w.Code, w.Body)
		}
	}
	var sink recordtest.Sink
	w := hand(t, startIngest(t, &sink, "written"), "/v1/events", "application/json", []byte(`{"action":"a.b","note":"[[[[{{{{\"[[["}`+"\n"+`{"action":"a.c"}`))
	if events := sink.Events(); w.Code != 200 || len(events) != 2 || events[0].RequestID == "" || events[0].RequestID == events[1].RequestID {
		t.Errorf("answered %d %s, recorded %q", w.Code, w.Body, recordtest.Lines(events))
	}
}

func FuzzIngest(f *testing.F) {
	b, _ := new(plog.ProtoMarshaler).MarshalLogs(otlpLogs("a", "b", "c", "d"))
	f.Add(b)
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`))
	f.Add([]byte(`{"action":"x.y","changes":{"a":[1,2]},"attributes":{"admin.interface":"trail"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for path, types := range map[string][]string{"/v1/logs": {"application/x-protobuf", "application/json"}, "/v1/events": {"application/x-ndjson"}} {
			for _, contentType := range types {
				var sink recordtest.Sink
				hand(t, startIngest(t, &sink, "written"), path, contentType, body)
				for _, e := range sink.Events() {
					if back, err := adminsessions.ParseLine(e.Line()); err != nil || back.Type == adminsessions.Trail {
						t.Errorf("%v: %q", err, e.Line())
					}
				}
			}
		}
	})
}
