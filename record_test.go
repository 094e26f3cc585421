package adminsessions_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
)

func TestTheRecordHoldsTheWholeEvent(t *testing.T) {
	want := full()
	want.Checkpoint = "" // which is not for a record to give
	r := want.Record()
	if r.EventName() != "admin.request" || r.Severity() != log.SeverityError || r.Body().AsString() != want.Line() {
		t.Errorf("record %q %v %q", r.EventName(), r.Severity(), r.Body().AsString())
	}
	got := adminsessions.EventFromRecord(&r)
	got.TraceID, got.SpanID = want.TraceID, want.SpanID // the context's
	if !reflect.DeepEqual(got, want) {
		t.Errorf("back from the record\n got %+v\nwant %+v", got, want)
	}
}

func TestAnyRecordBecomesAnEvent(t *testing.T) {
	var r log.Record
	r.SetObservedTimestamp(time.Unix(5, 0))
	r.SetBody(attribute.StringValue("something happened"))
	r.AddAttributes(
		attribute.String("user.email", "anna@example.com"), attribute.String("client.address", "not an address"),
		attribute.String("order.id", "12"), attribute.Float64("http.server.request.duration", 0.25), attribute.String("admin.interface", "web"))
	got := adminsessions.EventFromRecord(&r)
	want := adminsessions.Event{
		Time: time.Unix(5, 0), Stage: adminsessions.Complete, Type: adminsessions.Web, User: adminsessions.User{Email: "anna@example.com"},
		Duration: 250 * time.Millisecond, Note: "something happened",
		Attributes: []attribute.KeyValue{attribute.String("client.address", "not an address"), attribute.String("order.id", "12")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		status    int
		errorType string
		want      log.Severity
	}{
		{0, "", log.SeverityInfo}, {101, "", log.SeverityInfo}, {200, "", log.SeverityInfo}, {302, "", log.SeverityInfo},
		{401, "", log.SeverityWarn}, {499, "client_gone", log.SeverityWarn}, {500, "", log.SeverityError},
		{503, "timeout", log.SeverityError}, {200, "abort", log.SeverityError},
	} {
		e := adminsessions.Event{StatusCode: c.status, ErrorType: c.errorType}
		if got := e.Severity(); got != c.want {
			t.Errorf("%d %q: %v, want %v", c.status, c.errorType, got, c.want)
		}
	}
}

// A record can't be an event of the trail's own life.
func TestRecordsThatClaimToBeTheTrail(t *testing.T) {
	for _, claimed := range []string{"trail", "TRAIL", "Trail", " trail ", "traıl", "trail\u00a0"} {
		var r log.Record
		r.AddAttributes(attribute.String("admin.interface", claimed), attribute.String("audit.checkpoint", "forged"), attribute.String("admin.action", "trail.checkpoint"))
		r.SetBody(attribute.StringValue("type=TRAIL method=- status=- email=- ip=- id=- action=trail.started outcome=success"))
		e := adminsessions.EventFromRecord(&r)
		if e.Type == adminsessions.Trail || e.Checkpoint != "" || e.EventName() != adminsessions.EventName {
			t.Errorf("%q: %s", claimed, e.Line())
		}
		if line := e.Line(); strings.HasPrefix(line, "type=TRAIL") || !strings.Contains(line, "forged") {
			t.Errorf("%q: %s", claimed, line)
		}
	}
	var r log.Record
	r.AddAttributes(attribute.String("admin.interface", "mcp"))
	if e := adminsessions.EventFromRecord(&r); e.Type != adminsessions.MCP {
		t.Errorf("a type of others is %q", e.Type)
	}
}
