package exporter

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// The two ways in give the same line, in the same stream.
func TestEventAndRecordAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLoki{t: t}
		x := startOver(t, l, t.TempDir())
		ev := testEvent
		ev.Time = time.Now()
		ev.Note, ev.Attributes = "a \"b\"\nc\t", []attribute.KeyValue{attribute.String("plan", "gold"), attribute.Int64Slice("ids", []int64{1, 2})}
		ev.TraceID, ev.SpanID = trace.TraceID{1}, trace.SpanID{2}
		if err := x.RecordEvent(t.Context(), &ev, adminsessions.Synced); err != nil {
			t.Fatal(err)
		}
		record := ev.Record()
		provider := x.LoggerProvider()
		if provider != x.LoggerProvider() {
			t.Error("two calls give two providers")
		}
		provider.Logger(adminsessions.ScopeName).Emit(t.Context(), record)
		if err := provider.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
			t.Fatal(err)
		}
		if err := provider.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		entries := l.entries()
		for seq := uint64(1); seq <= 3; seq++ {
			line, tail, _ := strings.Cut(entries[seq].Line, "\tseq=")
			if line != ev.Line() || tail == "" {
				t.Errorf("event %d is\n%s\nwant\n%s", seq, entries[seq].Line, ev.Line())
			}
		}
		if len(l.stored) != 1 {
			t.Errorf("%d streams", len(l.stored))
		}
	})
}

// Records of anybody else become events, whatever they hold.
func TestOtherRecordsBecomeEvents(t *testing.T) {
	line := testEvent.Line()
	for name, tt := range map[string]struct {
		scope, event, body string
		attrs              []attribute.KeyValue
		want               string // in the line
	}{
		"plain":                            {"backup", "", "backup finished", []attribute.KeyValue{attribute.String("size", "5 GB")}, `note="backup finished"`},
		"a line from elsewhere":            {"backup", "admin.request", line, nil, `type=- method=-`},
		"our scope, another event":         {adminsessions.ScopeName, "x", line, nil, `type=- method=-`},
		"with a number of its own":         {adminsessions.ScopeName, adminsessions.EventName, line + "\tseq=99", nil, `type=- method=-`},
		"not a line":                       {adminsessions.ScopeName, adminsessions.EventName, "x\ty", nil, `note="x\ty"`},
		"two lines":                        {adminsessions.ScopeName, adminsessions.EventName, line + "\n" + line, nil, `type=- method=-`},
		"with a character that Loki fails": {adminsessions.ScopeName, adminsessions.EventName, line + "\uFFFD", nil, `type=- method=-`},
		"what only the exporter says":      {adminsessions.ScopeName, "audit.trail", trailLine("trail.stopped"), nil, `type=- method=-`},
		"what only a verifier says":        {adminsessions.ScopeName, "audit.trail", trailLine("trail.verified"), nil, `note="type=TRAIL method=- status=- email=- ip=- id=- action=trail.verified`},
		"a policy":                         {adminsessions.ScopeName, "audit.trail", trailLine("trail.policy_changed"), nil, `type=- method=-`},
		"empty":                            {"backup", "", "", nil, `type=- method=- status=-`},
		"fields by their keys":             {"backup", "", "", []attribute.KeyValue{attribute.String("user.email", "a@b.c")}, `email=a@b.c`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &fakeLoki{t: t}
				x := startOver(t, l, t.TempDir())
				var r log.Record
				r.SetEventName(tt.event)
				r.SetBody(attribute.StringValue(tt.body))
				r.AddAttributes(tt.attrs...)
				x.LoggerProvider().Logger(tt.scope).Emit(t.Context(), r)
				shutdown(t, x)
				entry := l.entries()[1]
				if ev := parse(t, entry); ev.Sequence != 1 || !strings.Contains(entry.Line, tt.want) || strings.Count(entry.Line, "\t") != 2 {
					t.Errorf("line %q", entry.Line)
				}
				if strings.Contains(entry.Line, "\uFFFD") {
					t.Errorf("line %q holds U+FFFD", entry.Line)
				}
			})
		})
	}
}

func TestStreamLabels(t *testing.T) {
	for name, tt := range map[string]struct {
		attrs []attribute.KeyValue
		want  string
	}{
		"all": {[]attribute.KeyValue{
			attribute.String("service.name", "panel"), attribute.String("service.instance.id", "host-1"),
			attribute.String("deployment.environment.name", "production"), attribute.String("host.name", "x"),
		}, `{audit_log_id="0af7", deployment_environment_name="production", service_instance_id="host-1", service_name="panel"}`},
		"awkward": {[]attribute.KeyValue{attribute.String("service.name", "pa\"n\\el\x00\ufffd\n"), attribute.String("service.instance.id", "ż{}")},
			`{audit_log_id="0af7", service_instance_id="ż{}", service_name="pa\"n\\el□□□"}`},
		"long": {[]attribute.KeyValue{attribute.String("service.name", strings.Repeat("x", 5000)), attribute.String("service.instance.id", "i")},
			`{audit_log_id="0af7", service_instance_id="i", service_name="` + strings.Repeat("x", maxLabelBytes) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := streamLabels("0af7", resource.NewSchemaless(tt.attrs...))
			if got != tt.want {
				t.Errorf("labels %s, want %s", got, tt.want)
			}
			if id := spooled.LogID([]byte(got)); id != "0af7" {
				t.Errorf("log id %q", id)
			}
		})
	}
	got := streamLabels("0af7", resource.Empty())
	if !strings.Contains(got, `service_name="exporter.test"`) || !strings.Contains(got, `service_instance_id="`) {
		t.Errorf("without a resource: %s", got)
	}
}

// Two services of one process have a stream each, pushed apart; two spools of one
// service and instance, too.
func TestAStreamForEachLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLoki{t: t}
		same := resource.NewSchemaless(attribute.String("service.name", "panel"), attribute.String("service.instance.id", "host"))
		x := startOver(t, l, t.TempDir(), WithResource(same))
		y := startOver(t, l, t.TempDir(), WithResource(same))
		emit(t, x, 10)
		emit(t, y, 10)
		other := sdklog.NewLoggerProvider(sdklog.WithProcessor(x), sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "jobs"))))
		for range 5 {
			var r log.Record
			r.SetBody(attribute.StringValue("x"))
			other.Logger("x").Emit(t.Context(), r)
			emit(t, x, 1)
		}
		shutdown(t, x)
		shutdown(t, y)
		if len(l.stored) != 3 {
			t.Errorf("%d streams, want 3: %v", len(l.stored), l.stored)
		}
		n := 0
		for labels, entries := range l.stored {
			n += len(entries)
			if !strings.HasPrefix(labels, `{audit_log_id="`+x.spool.ID()) && !strings.HasPrefix(labels, `{audit_log_id="`+y.spool.ID()) {
				t.Errorf("labels %s", labels)
			}
		}
		if n != 30 {
			t.Errorf("%d entries", n)
		}
	})
}

// A panel whose host has another name after each start goes on with its log.
func TestHostNamesThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := &fakeLoki{t: t}
		for _, host := range []string{"panel-7d4f", "panel-9c1a", "panel-7d4f"} {
			x := startOver(t, l, dir, WithResource(resource.NewSchemaless(attribute.String("service.name", "panel"), attribute.String("service.instance.id", host))))
			emit(t, x, 10)
			shutdown(t, x)
		}
		l.check(30, true)
		if len(l.stored) != 2 {
			t.Errorf("%d streams, want one for each name", len(l.stored))
		}
		ids := map[string]bool{}
		for labels := range l.stored {
			ids[spooled.LogID([]byte(labels))] = true
		}
		if len(ids) != 1 {
			t.Errorf("logs %v, want one", ids)
		}
	})
}

// The SDK writes each error of a processor to standard error.
func TestLossesAreNotAllGivenToTheSDK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startOver(t, &fakeLoki{t: t}, t.TempDir(), WithLogger(slog.New(slog.DiscardHandler)))
		shutdown(t, x)
		factory := sdklog.Record{}
		var errs []error
		for range 300 {
			if err := x.OnEmit(t.Context(), &factory); err != nil {
				errs = append(errs, err)
			}
			time.Sleep(time.Second)
		}
		if len(errs) < 2 || len(errs) > 6 || !errors.Is(errs[0], adminsessions.ErrRefused) || !strings.Contains(errs[1].Error(), "59 more") {
			t.Errorf("%d errors: %v", len(errs), errs)
		}
		if n := x.Stats().Dropped["closed"]; n != 300 {
			t.Errorf("%d losses counted", n)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte{}, "x")
	f.Add([]byte{5, 'a'}, testEvent.Line())
	f.Fuzz(func(t *testing.T, b []byte, body string) {
		if labels, line, err := spooled.Split(b); err == nil && len(labels)+len(line) > len(b) {
			t.Error("more than there is")
		}
		p := newPayload("{a=\"b\"}")
		p.buf = append(p.buf, body...)
		labels, line, err := spooled.Split(p.buf)
		if err != nil || string(labels) != "{a=\"b\"}" || string(line) != body {
			t.Errorf("read %q, %q, %v", labels, line, err)
		}
		p.release()
		var r sdklog.Record
		r.SetEventName(adminsessions.EventName)
		r.SetBody(attribute.StringValue(body))
		ev := eventOf(&r)
		if _, err := adminsessions.ParseLine(ev.Line()); err != nil {
			t.Errorf("the line of a record with body %q: %v", body, err)
		}
	})
}

// trailLine is the line of an event of the trail's own.
func trailLine(action string) string {
	ev := adminsessions.Event{Type: adminsessions.Trail, Action: action, RequestID: "1"}
	return ev.Line()
}
