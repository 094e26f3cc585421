package viewer

import (
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestOtherWaysToLoki shows an event that comes by OpenTelemetry's protocol, and
// one that another program ships as a line of a file, like one of the exporter.
func TestOtherWaysToLoki(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	now := time.Now()
	exporter, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(loki.URL()+"/otlp/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	provider := log.NewLoggerProvider(log.WithProcessor(log.NewSimpleProcessor(exporter)),
		log.WithResource(resource.NewSchemaless(attribute.String("service.name", "panel"))))
	byOTLP := event(now.Add(-time.Minute), 1, func(e *adminsessions.Event) { e.Note, e.User = "by \"OTLP\"", lena })
	provider.Logger("test").Emit(t.Context(), byOTLP.Record())
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	byFile := event(now.Add(-2*time.Minute), 2, func(e *adminsessions.Event) { e.Note = "by a file" })
	push(t, loki, lokitest.Stream{Labels: map[string]string{"service_name": "panel", "filename": "/var/log/panel.log", "type": "file"},
		Entries: []lokitest.Entry{{Time: byFile.Time, Line: byFile.Line()}}})
	byExporter := event(now.Add(-3*time.Minute), 3)
	push(t, loki, stream("one", byExporter))

	events := p.events(t, query())
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	for i, want := range []adminsessions.Event{byOTLP, byFile, byExporter} {
		if got := events[i]; got.Fields["url"] != want.URL || got.Fields["note"] != want.Note || got.Fields["email"] != want.User.Email || !got.Time.Equal(want.Time.Truncate(0)) {
			t.Errorf("%+v, want %s", got, want.Line())
		}
	}
	for q, want := range map[string]int{"note=\"by": 2, "\"OTLP\"": 1, "Żółć": 1} {
		if got := len(p.events(t, query("q", q))); got != want {
			t.Errorf("search for %s finds %d, want %d", q, got, want)
		}
	}
	if count, status, err := p.api(t.Context(), "count", query()); err != nil || status != http.StatusOK || count.Count != 3 || count.AtMost || count.AtLeast {
		t.Errorf("count %+v, %v", count, err)
	}
}

// TestForeignLinesHarmNothing has lines of others in the panel's own stream.
func TestForeignLinesHarmNothing(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	at := time.Now().Add(-time.Minute)
	s := stream("one", event(at, 1))
	for i, line := range []string{
		"type=API method=\ufffd status=\ufffd email=\ufffd ip=\ufffd id=\ufffd url=\"\ufffd\" note=\"\ufffd\"\tsession=\ufffd request=\ufffd ms=\ufffd", // begins like an event
		"type=API method=GET status=200 cut", "type=API method=GET status=started\tsession=x", "type=WEB method=GET status=<b>",
		"hello", "\ufffd", "", `{"level":"info"}`, // do not
	} {
		s.Entries = append(s.Entries, lokitest.Entry{Time: at.Add(time.Duration(i+1) * time.Second), Line: line})
	}
	push(t, loki, s)
	for _, order := range []string{"-time", "time", "url", "-status"} {
		if events := p.events(t, query("sort", order)); len(events) != 5 {
			t.Errorf("by %s: %d events, want the event and the four lines that begin like one", order, len(events))
		}
	}
	for q, want := range map[string]int{"\ufffd": 0, "cut": 1, "GET": 4, "panel.example": 1} {
		if got := p.events(t, query("q", q)); len(got) != want {
			t.Errorf("search for %q finds %d lines, want %d", q, len(got), want)
		}
	}
	// The log's numbers say that it holds one event.
	if count, status, err := p.api(t.Context(), "count", query()); err != nil || status != http.StatusOK || count.Count != 5 || !count.AtMost {
		t.Errorf("count %+v, %d, %v", count, status, err)
	}
	p.page(t, "")
	for _, format := range []string{"csv", "ndjson"} {
		if resp, err := p.get(t.Context(), prefix+"export."+format); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("export: %v, %v", resp, err)
		} else {
			resp.Body.Close()
		}
	}
}
