package exporter

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/s2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

func labelsOf(service, environment, instance string) string {
	return streamLabels(resource.NewSchemaless(
		attribute.String(adminsessions.KeyServiceName, service),
		attribute.String(adminsessions.KeyDeploymentEnvironment, environment),
		attribute.String(adminsessions.KeyServiceInstanceID, instance),
	))
}

func TestLinesLabels(t *testing.T) {
	for _, test := range []struct{ service, environment, instance, want string }{
		{"panel", "production", "host-1", `{audit_lines_of="panel", deployment_environment_name="production", service_instance_id="host-1", service_name="adminsessions-lines"}`},
		{"panel", "", "host-1", `{audit_lines_of="panel", service_instance_id="host-1", service_name="adminsessions-lines"}`},
		{`a "b", c\d}`, "", "x", `{audit_lines_of="a \"b\", c\\d}", service_instance_id="x", service_name="adminsessions-lines"}`},
		{"panel", `, service_name="other"}`, "x", `{audit_lines_of="panel", deployment_environment_name=", service_name=\"other\"}", service_instance_id="x", service_name="adminsessions-lines"}`},
		{`service_name="`, "", "x", `{audit_lines_of="service_name=\"", service_instance_id="x", service_name="adminsessions-lines"}`},
	} {
		got, err := linesLabels([]byte(labelsOf(test.service, test.environment, test.instance)))
		if err != nil || string(got) != test.want {
			t.Errorf("labels of the lines of %q:\n%s, %v\nwant\n%s", test.service, got, err, test.want)
		}
	}
}

// Every stream is pushed on its own, whatever part of it, and every event's line
// once more.
func TestBatchOfSeveralStreams(t *testing.T) {
	const count = 9
	panel, shop := labelsOf("panel", "production", "host-1"), labelsOf("shop", "", "host-1")
	b := newBatch("0123456789abcdef", true)
	start := time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)
	for range 2 { // its memory is used again
		b.reset()
		for i := range count {
			labels := panel
			if i%4 == 3 {
				labels = shop
			}
			e := newEncoder(labels)
			ev := testEvent
			ev.URL = "https://demo.example/" + strconv.Itoa(i)
			e.event(&ev, trace.SpanContext{})
			at := start.Add(time.Duration(i)).UnixNano()
			if err := b.add(&spool.Record{Seq: uint64(i + 1), Time: at, Origin: at, Payload: e.finish()}); err != nil {
				t.Fatal(err)
			}
			e.release()
		}
		b.seal()
		b.pack()
	}

	entries := map[string][]push.Entry{} // by labels
	for len(b.parts) > 0 {
		if b.parts[0].len() > 3 {
			b.halve()
		}
		p := b.parts[0]
		raw, err := s2.Decode(nil, p.message())
		if err != nil {
			t.Fatal(err)
		}
		var req push.PushRequest
		if err := req.Unmarshal(raw); err != nil {
			t.Fatalf("loki can't read the push: %v", err)
		}
		if len(req.Streams) != 1 || len(req.Streams[0].Entries) != p.len() || len(raw) < p.size() {
			t.Errorf("push of %d bytes has streams %v, want one of %d entries in %d bytes", len(raw), req.Streams, p.len(), p.size())
		}
		entries[req.Streams[0].Labels] = append(entries[req.Streams[0].Labels], req.Streams[0].Entries...)
		b.parts = b.parts[1:]
	}
	found := 0
	for _, labels := range []string{panel, shop} {
		of, err := linesLabels([]byte(labels))
		if err != nil {
			t.Fatal(err)
		}
		events, lines := entries[labels], entries[string(of)]
		found += len(events)
		if !slices.EqualFunc(events, lines, func(e, l push.Entry) bool {
			return e.Timestamp.Equal(l.Timestamp) && e.Line == l.Line && len(e.StructuredMetadata) > 0 && len(l.StructuredMetadata) == 0
		}) {
			t.Errorf("events of %s are\n%v\nand their lines\n%v", labels, events, lines)
		}
	}
	if found != count || len(entries) != 4 {
		t.Errorf("%d events in %d streams, want %d in 4", found, len(entries), count)
	}
}

func TestLinesOfLabelsThatAreNotOurs(t *testing.T) {
	payload := newEncoder(`{job="x"}`)
	payload.event(&testEvent, trace.SpanContext{})
	b := newBatch("0123456789abcdef", true)
	if err := b.add(&spool.Record{Seq: 1, Payload: payload.finish()}); err == nil {
		t.Error("no error for labels without a service")
	}
	if !b.empty() || len(b.streams) != 0 {
		t.Errorf("a record that can't be sent left %d streams in the batch", len(b.streams))
	}
}
