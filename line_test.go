package adminsessions_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
)

// full is an event with every field set.
func full() adminsessions.Event {
	at := time.Date(2026, 3, 1, 12, 30, 0, 123456789, time.UTC)
	return adminsessions.Event{
		Time: at, Stage: adminsessions.Complete, RequestID: "0123456789abcdefghjk", Type: adminsessions.API,
		User:          adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"},
		Target:        adminsessions.User{ID: "8", FullName: "Ben", Email: "ben@example.com"},
		SignIn:        adminsessions.SignIn{Name: "anna", Outcome: adminsessions.SignInSuccess},
		ClientAddress: netip.MustParseAddr("fe80::1%eth0"),
		Method:        "_OTHER", SentMethod: "FROB", URL: "https://demo.example/admin/api/clients?page=2",
		Route: "/admin/api/clients", StatusCode: 200, Duration: 1234567 * time.Microsecond,
		UserAgent: "curl/8.0", SessionID: "0af1", ErrorType: "abort", Note: "client 7731 deleted\nmail sent",
		TraceID: trace.TraceID{1, 2, 15: 3}, SpanID: trace.SpanID{4, 7: 5},
		Action: "clients.delete", Outcome: adminsessions.OutcomeDenied, Resource: adminsessions.Resource{Type: "client", ID: "7731", Name: "Acme"},
		Changes: []adminsessions.Change{{Field: "limits.cpu", Old: "2", New: "4"}, {Field: "plan", New: "S"}, {Field: "x", Old: "1"}},
		Actor:   adminsessions.Actor{Type: adminsessions.ActorAgent, CredentialID: "token-3", TenantID: "acme"},
		Reason:  "asked for in ticket 4711", Cause: "0123456789abcdefghjj", Checkpoint: "adminsessions/ab12\n118\n",
		Geo:   adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS5617 Orange"},
		Count: 12, Since: at.Add(-time.Minute),
		Attributes: []attribute.KeyValue{attribute.String("client.name", "x"), attribute.String("client.id", "7731")},
		Cut:        []string{"url", "note"},
	}
}

func TestLine(t *testing.T) {
	anna := adminsessions.User{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com"}
	for _, c := range []struct {
		event adminsessions.Event
		want  string
	}{
		{
			adminsessions.Event{
				Type: adminsessions.API, Method: "DELETE", StatusCode: 204, User: anna, ClientAddress: netip.MustParseAddr("10.2.3.4"),
				URL: "https://panel.example/admin/clients/7731", Note: "client 7731 deleted", Route: "/admin/clients/{id}",
				SessionID: "ab12", RequestID: "e78e", Duration: 12104 * time.Microsecond, UserAgent: "curl/8.5",
				Attributes: []attribute.KeyValue{attribute.String("plan", "S"), attribute.Int("services", 3)},
			},
			`type=API method=DELETE status=204 email=anna@example.com ip=10.2.3.4 id=2 action=- outcome=success url="https://panel.example/admin/clients/7731" name="Anna Kowalska" note="client 7731 deleted"` + "\t" +
				`session=ab12 request=e78e ms=12.104 route="/admin/clients/{id}" ua="curl/8.5" attr.plan="S" attr.services="3"`,
		},
		{
			adminsessions.Event{
				Action: "clients.update", Changes: []adminsessions.Change{{Field: "plan", Old: "S", New: `M "big"`}, {Field: "a b", New: "1"}},
			},
			`type=- method=- status=- email=- ip=- id=- action=clients.update outcome=- was.plan="S" now.plan="M \"big\"" now.a_b="1"` + "\tsession=- request=- ms=0",
		},
		{
			adminsessions.Event{
				Type: adminsessions.Web, Method: "POST", StatusCode: 401, ClientAddress: netip.MustParseAddr("203.0.113.9"),
				URL: "https://panel.example/login", RequestID: "e78f", Duration: 50 * time.Millisecond,
				SignIn: adminsessions.SignIn{Name: `mal"lory`, Outcome: adminsessions.SignInFailure},
			},
			`type=WEB method=POST status=401 email=- ip=203.0.113.9 id=- action=- outcome=failure url="https://panel.example/login" signin="failure" tried="mal\"lory"` + "\t" + `session=- request=e78f ms=50`,
		},
		{
			adminsessions.Event{Type: adminsessions.Web, Method: "GET", Stage: adminsessions.Started, StatusCode: 101, Duration: time.Second, RequestID: "r"},
			`type=WEB method=GET status=started email=- ip=- id=- action=- outcome=-` + "\t" + `session=- request=r ms=- code=101`,
		},
		{
			adminsessions.Event{
				Type: adminsessions.Job, Action: "invoices.send", Outcome: adminsessions.OutcomeSuccess, Actor: adminsessions.Actor{Type: adminsessions.ActorSystem, TenantID: "acme"},
				Reason: "end of the month", Cause: "e78e", RequestID: "e790", Duration: time.Second,
			},
			`type=JOB method=- status=- email=- ip=- id=- action=invoices.send outcome=success actor="system" tenant="acme" reason="end of the month"` + "\t" + `session=- request=e790 ms=1000 cause="e78e"`,
		},
		{adminsessions.Event{}, "type=- method=- status=- email=- ip=- id=- action=- outcome=-\tsession=- request=- ms=0"},
		{
			adminsessions.Event{User: adminsessions.User{ID: "-", Email: "a b=c%\\\"<d>\x00\xff\uFFFD\u00e9@x"}},
			"type=- method=- status=- email=a%20b%3dc%25%5c%22%3cd%3e%00□□é@x ip=- id=%2d action=- outcome=-\tsession=- request=- ms=0",
		},
		{
			adminsessions.Event{Outcome: "-", Duration: -1},
			"type=- method=- status=- email=- ip=- id=- action=- outcome=%2d\tsession=- request=- ms=-",
		},
		{
			adminsessions.Event{Note: "a\nb\r\t\x1b\x7f\\\"\xff\uFFFD", Duration: 999 * time.Nanosecond},
			`type=- method=- status=- email=- ip=- id=- action=- outcome=- note="a\nb\r\t\u001b\u007f\\\"□□"` + "\tsession=- request=- ms=0",
		},
	} {
		if got := c.event.Line(); got != c.want {
			t.Errorf("line\n got %s\nwant %s", got, c.want)
		}
	}
}

func TestParseLineGivesBackTheEvent(t *testing.T) {
	want := full()
	line := want.AppendLine(nil)
	line = adminsessions.AppendSequence(line, 118, want.Time)
	want.Sequence = 118
	got, err := adminsessions.ParseLine(string(line))
	if err != nil {
		t.Fatal(err)
	}
	got.Time = got.Time.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("back from %s\n got %+v\nwant %+v", line, got, want)
	}
}

func TestEveryFieldOfTheEventIsInTheTable(t *testing.T) {
	e := full()
	var check func(path string, v reflect.Value)
	check = func(path string, v reflect.Value) {
		if v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[adminsessions.Event]().PkgPath() {
			for i := range v.NumField() {
				check(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		}
		if v.IsZero() && path != "Event.Sequence" {
			t.Errorf("the test's event has no %s", path)
		}
	}
	check("Event", reflect.ValueOf(e))
	keys, names := map[string]bool{}, map[string]bool{}
	for f := range adminsessions.Fields() {
		if f.Key != "" && keys[f.Key] || f.Name != "" && names[f.Name] || f.Key == "" && f.Name == "" {
			t.Errorf("key %q, name %q: twice, or neither", f.Key, f.Name)
		}
		keys[f.Key], names[f.Name] = true, true
		if f.Get(&e) == "" && f.Name != "code" {
			t.Errorf("%s%s is not known of the test's event", f.Key, f.Name)
		}
		if f.Limit <= 0 || f.About == "" {
			t.Errorf("%s%s has no limit or no description", f.Key, f.Name)
		}
	}
}

func TestValuesAreCutToTheirLimits(t *testing.T) {
	long := strings.Repeat("ż", 100_000)
	var many []attribute.KeyValue
	for i := range 100 {
		many = append(many, attribute.String(fmt.Sprintf("k%d\n%s", i, long), strings.Repeat("\x01", 10_000)))
	}
	var changes []adminsessions.Change
	for i := range 1000 {
		changes = append(changes, adminsessions.Change{Field: fmt.Sprint("f", i, long), Old: strings.Repeat("\x01", 10_000), New: long})
	}
	e := adminsessions.Event{
		Changes: changes,
		Type:    adminsessions.Type(long), RequestID: long, Method: long, SentMethod: long, URL: long, Route: long, UserAgent: long,
		SessionID: long, ErrorType: long, Note: strings.Repeat("\x01", 10_000), User: adminsessions.User{ID: long, FullName: long, Email: long},
		Target: adminsessions.User{ID: long, FullName: long, Email: long},
		Action: long, Outcome: adminsessions.Outcome(long), Resource: adminsessions.Resource{Type: long, ID: long, Name: long},
		SignIn:        adminsessions.SignIn{Name: long, Outcome: adminsessions.SignInOutcome(long)},
		ClientAddress: netip.MustParseAddr("fe80::1").WithZone(long), Attributes: many, Cut: slices.Repeat([]string{long}, 100),
	}
	line := adminsessions.AppendSequence(e.AppendLine(nil), 1<<63, time.Unix(1<<33, 0))
	if len(line) > adminsessions.MaxLineBytes {
		t.Errorf("the line has %d bytes", len(line))
	}
	got, err := adminsessions.ParseLine(string(line))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Attributes) > adminsessions.MaxAttributes || len(got.Attributes) < 2 || len(got.Changes) > adminsessions.MaxChanges {
		t.Errorf("%d attributes, %d changes", len(got.Attributes), len(got.Changes))
	}
	for f := range adminsessions.Fields() {
		if v := f.Get(&got); len(v) > f.Limit {
			t.Errorf("%s has %d bytes, more than %d", f.Name, len(v), f.Limit)
		}
	}
	e = adminsessions.Event{Outcome: adminsessions.Outcome(long)}
	got, err = adminsessions.ParseLine(e.Line())
	if err != nil || !slices.Equal(got.Cut, []string{"outcome"}) || got.Outcome != "żżżżżżżż" {
		t.Errorf("outcome %q, cut %v, %v", got.Outcome, got.Cut, err)
	}
	e = adminsessions.Event{URL: long, Note: "n", Attributes: []attribute.KeyValue{attribute.String("k", long)}}
	got, err = adminsessions.ParseLine(e.Line())
	if err != nil || !slices.Equal(got.Cut, []string{"url", "attr.k"}) || e.Cut != nil {
		t.Errorf("cut %v, %v; the event itself says %v", got.Cut, err, e.Cut)
	}
}

func TestForeignLines(t *testing.T) {
	good := full()
	line := good.Line()
	for _, s := range []string{
		"", "hello", "\t", "a\tb\tc\td", `{"level":"info"}`, strings.Repeat("=", 1000), strings.Repeat("\t", 1000),
		"type=API", "type=API\t", line[1:], strings.ReplaceAll(line, "\t", " "), strings.Replace(line, "method=", "m=", 1),
		strings.Replace(line, "type=API", `type="API"`, 1), line[:strings.Index(line, "\t")], line + `"`, line + ` x`, line + ` x="`, line + ` x="\`,
		line + "\tseq=a", line + "\tseq=1 at=x", line + "\tseq", `level=info msg="x"` + "\ta=b",
	} {
		if e, err := adminsessions.ParseLine(s); !errors.Is(err, adminsessions.ErrNotEvent) {
			t.Errorf("%q is taken for %+v, %v", s, e, err)
		}
	}
	// Values that do not fit, keys not known, and second ones forge nothing.
	e, err := adminsessions.ParseLine("type=API method=GET status=x email=a@x ip=1.2.3 id=- action=- outcome=- email=b@x name=\"n\" name=\"m\" new=\"1\"\tsession=- request=- ms=NaN email=c@x count=\"x\"")
	if err != nil || e.User.Email != "a@x" || e.StatusCode != 0 || e.Duration != 0 || e.ClientAddress.IsValid() || e.Count != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	var kept []string
	for _, kv := range e.Attributes {
		kept = append(kept, string(kv.Key)+"="+kv.Value.String())
	}
	if want := []string{"status=x", "ip=1.2.3", "email=b@x", "new=1", "ms=NaN", "email=c@x", "count=x"}; !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
}

// Whatever stands in the strings of an event, its line is one line that says
// just that.
func FuzzLine(f *testing.F) {
	for _, s := range []string{
		"", "-", " ", "a b", `x" email=evil@example.com ip="6.6.6.6`, `\`, `\\"`, "\t", "\tseq=1", "\n", "\r\n", "\x00", "\x1b[31m", "\x7f", "\xff", "\xed\xa0\x80",
		"\uFFFD", "\u202e", "\u200b", "\u2028", "é", "日本", "🔥", "%", "%20", "%zz", "=", "a=b", "<x>", "{{.email}}", "${x}", "`", "'", "a\\u0022b", "type=API method=GET",
	} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, word, text, key string) {
		want := adminsessions.Event{
			Stage: adminsessions.Complete, Method: "GET", RequestID: word, SessionID: word,
			User: adminsessions.User{Email: word, ID: word, FullName: text}, URL: text, Note: text, UserAgent: text,
			SignIn: adminsessions.SignIn{Name: text, Outcome: adminsessions.SignInOutcome(text)},
			Action: word, Outcome: adminsessions.Outcome(word), Resource: adminsessions.Resource{ID: text},
			Attributes: []attribute.KeyValue{attribute.String(key, text)},
			Changes:    []adminsessions.Change{{Field: key, Old: text, New: text}, {Field: key, New: text}},
		}
		line := want.Line()
		if strings.Count(line, "\t") != 1 || strings.ContainsAny(line, "\n\r\uFFFD\x00") || !utf8.ValidString(line) {
			t.Fatalf("line %q", line)
		}
		got, err := adminsessions.ParseLine(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if len(got.Cut) > 0 {
			return
		}
		// What stands for a bad byte is longer than it, so a second cut may be due.
		if again := got.Line(); again != line && !strings.Contains(again, ` cut="`) {
			t.Fatalf("%q becomes %q", line, again)
		}
		clean := func(s string) string {
			return strings.ReplaceAll(strings.Map(func(r rune) rune { return r }, s), "\uFFFD", "□")
		}
		for _, c := range []struct{ got, want string }{
			{got.User.Email, clean(word)}, {got.User.ID, clean(word)}, {got.RequestID, clean(word)}, {got.SessionID, clean(word)},
			{got.User.FullName, clean(text)}, {got.URL, clean(text)}, {got.Note, clean(text)}, {got.UserAgent, clean(text)},
			{got.SignIn.Name, clean(text)},
		} {
			if c.got != c.want {
				t.Fatalf("%q: %q has become %q", line, c.want, c.got)
			}
		}
	})
}

// Anything may stand in Loki.
func FuzzParseLine(f *testing.F) {
	e := full()
	f.Add(e.Line())
	f.Add(string(adminsessions.AppendSequence(e.AppendLine(nil), 7, e.Time)))
	f.Add("type=- method=- status=- email=- ip=- id=- action=- outcome=-\tsession=- request=- ms=0\tseq=1")
	f.Fuzz(func(t *testing.T, line string) {
		e, err := adminsessions.ParseLine(line)
		if err != nil {
			return
		}
		again, err := adminsessions.ParseLine(e.Line())
		if err != nil {
			t.Fatalf("%q is read, what is written of it is not: %v", line, err)
		}
		if len(e.Cut) == 0 && len(again.Cut) == 0 && again.User != e.User {
			t.Fatalf("%+v has become %+v", e.User, again.User)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	e := full()
	e.Cut = nil
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendLine(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParseLine(b *testing.B) {
	e := full()
	line := e.Line()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := adminsessions.ParseLine(line); err != nil {
			b.Fatal(err)
		}
	}
}
