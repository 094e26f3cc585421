package adminsessions_test

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
)

// full is an event with every field set.
func full() adminsessions.Event {
	at := time.Date(2026, 3, 1, 12, 30, 0, 123456789, time.UTC)
	return adminsessions.Event{
		Time: at, Observed: at.Add(1234567 * time.Nanosecond),
		Stage: adminsessions.Complete, RequestID: "0123456789abcdefghjk", Interface: adminsessions.API,
		User:          adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"},
		Target:        adminsessions.User{ID: "8", FullName: "Ben", Email: "ben@example.com"},
		SignIn:        adminsessions.SignIn{Name: "anna", Outcome: adminsessions.SignInSuccess},
		ClientAddress: netip.MustParseAddr("fe80::1%eth0"),
		Method:        "_OTHER", MethodOriginal: "FROB", URL: "https://demo.example/admin/api/clients?page=2",
		Route: "/admin/api/clients", StatusCode: 200, Duration: 1234567 * time.Nanosecond,
		UserAgent: "curl/8.0", SessionID: "0af1", ErrorType: "abort", Note: "client 7731 deleted",
		Attributes: []attribute.KeyValue{attribute.String("client.name", "x"), attribute.Int("client.id", 7731)},
		Truncated:  []string{"url.full", "admin.note"},
	}
}

func TestEveryFieldOfTheEventHasAName(t *testing.T) {
	e := full()
	var check func(path string, v reflect.Value)
	check = func(path string, v reflect.Value) {
		if v.Kind() == reflect.Struct && v.NumField() > 0 && v.Type().PkgPath() == reflect.TypeFor[adminsessions.Event]().PkgPath() {
			for i := range v.NumField() {
				check(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		}
		if v.IsZero() {
			t.Errorf("the test's event has no %s", path)
		}
	}
	check("Event", reflect.ValueOf(e))
	seen := map[string]bool{}
	e.WalkAttributes(func(kv attribute.KeyValue) bool {
		if seen[string(kv.Key)] {
			t.Errorf("%s is there twice", kv.Key)
		}
		seen[string(kv.Key)] = true
		return true
	})
	for f := range adminsessions.Field(adminsessions.NumFields) {
		if !seen[f.Key()] {
			t.Errorf("%s is not walked over", f.Key())
		}
		if !adminsessions.IsEventKey(f.Key()) {
			t.Errorf("%s is free for an application", f.Key())
		}
	}
}

func TestTheRecordHoldsTheWholeEvent(t *testing.T) {
	want := full()
	r := want.Record()
	if r.EventName() != "admin.request" || r.Severity() != log.SeverityError || r.Body().AsString() != want.Sentence() {
		t.Errorf("record %q %v %q", r.EventName(), r.Severity(), r.Body().AsString())
	}
	if got := adminsessions.EventFromRecord(&r); !reflect.DeepEqual(got, want) {
		t.Errorf("back from the record\n got %+v\nwant %+v", got, want)
	}
}

func TestTheMetadataHoldTheVocabulary(t *testing.T) {
	want := full()
	metadata := map[string]string{adminsessions.LokiObservedTimestamp: fmt.Sprint(want.Observed.UnixNano()), "trace_id": "x"}
	want.WalkAttributes(func(kv attribute.KeyValue) bool {
		metadata[adminsessions.LokiName(string(kv.Key))] = kv.Value.String()
		return true
	})
	want.Attributes = nil // the application's own stay in the map
	got := adminsessions.EventFromMetadata(want.Time, metadata)
	got.Observed = got.Observed.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("back from the metadata\n got %+v\nwant %+v", got, want)
	}
}

func TestMetadataThatMakeNoSenseAreLeftOut(t *testing.T) {
	got := adminsessions.EventFromMetadata(time.Unix(1, 0), map[string]string{
		"client_address": "x", "http_response_status_code": "-", "http_server_request_duration": "NaN", "audit_request_time": "then",
	})
	if want := (adminsessions.Event{Time: time.Unix(1, 0)}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestAMovedTimestampIsPutBack(t *testing.T) {
	got := adminsessions.EventFromMetadata(time.Unix(2, 0), map[string]string{"audit_request_time": "1000000000"})
	if !got.Time.Equal(time.Unix(1, 0)) {
		t.Errorf("time %v", got.Time)
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

func TestSentence(t *testing.T) {
	anna := adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"}
	addr := netip.MustParseAddr("10.2.3.4")
	base := adminsessions.Event{Interface: adminsessions.API, Method: "GET", URL: "https://demo.example/x", StatusCode: 200, User: anna, ClientAddress: addr}
	with := func(f func(*adminsessions.Event)) adminsessions.Event {
		e := base
		f(&e)
		return e
	}
	for _, c := range []struct {
		e    adminsessions.Event
		want string
	}{
		{base, `API GET https://demo.example/x 200 "Anna Kowalska" <anna@example.com> 10.2.3.4`},
		{adminsessions.Event{}, `- - - - - -`},
		{with(func(e *adminsessions.Event) { e.Interface = adminsessions.Web; e.User = adminsessions.User{} }), `WEB GET https://demo.example/x 200 - 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.User.Email = "" }), `API GET https://demo.example/x 200 "Anna Kowalska" 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.User.FullName = "" }), `API GET https://demo.example/x 200 <anna@example.com> 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.User = adminsessions.User{ID: "7"} }), `API GET https://demo.example/x 200 "7" 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.Stage = adminsessions.Started }), `API GET https://demo.example/x started "Anna Kowalska" <anna@example.com> 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.Method, e.MethodOriginal = "_OTHER", "FROB" }), `API FROB https://demo.example/x 200 "Anna Kowalska" <anna@example.com> 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.Target = adminsessions.User{FullName: "Ben"} }), base.Sentence() + ` as "Ben"`},
		{with(func(e *adminsessions.Event) { e.SignIn.Outcome = adminsessions.SignInFailure; e.SignIn.Name = "mal" }), base.Sentence() + ` sign-in failure "mal"`},
		{with(func(e *adminsessions.Event) { e.SignIn.Outcome = adminsessions.SignInSuccess }), base.Sentence() + ` sign-in success`},
		{with(func(e *adminsessions.Event) { e.Note = `said "hi" \o/` }), base.Sentence() + ` note "said \"hi\" \\o/"`},
		{with(func(e *adminsessions.Event) { e.User.FullName = "a\r\nWEB" }), `API GET https://demo.example/x 200 "a__WEB" <anna@example.com> 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.User.Email = `x> 1.1.1.1 "` }), `API GET https://demo.example/x 200 "Anna Kowalska" <x__1.1.1.1__> 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.URL = "x 200 \"Root\"\n" }), `API GET x_200__Root__ 200 "Anna Kowalska" <anna@example.com> 10.2.3.4`},
		{with(func(e *adminsessions.Event) { e.ClientAddress = netip.MustParseAddr("fe80::1%a b") }), `API GET https://demo.example/x 200 "Anna Kowalska" <anna@example.com> fe80::1%a_b`},
		{with(func(e *adminsessions.Event) { e.User.FullName = "Зажółć 日本" }), `API GET https://demo.example/x 200 "Зажółć 日本" <anna@example.com> 10.2.3.4`},
	} {
		if got := c.e.Sentence(); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// FuzzSentence takes the sentence apart again, by its grammar alone: whatever
// the parts say, each must come back as the part it was.
func FuzzSentence(f *testing.F) {
	f.Add("GET", "https://demo.example/", "Anna", "anna@example.com", "Ben", "anna", "client 7731 deleted", 200)
	f.Add("", "", "", "", "", "", "", 0)
	f.Add("G T", "x 200 \"Root\" <root@x> 1.1.1.1", "\" <", "> 1.1.1.1 note \"", "\\", "\\\"", "a\nb", -1)
	f.Add("\xff", "\u2028", "\u202e", "\x00", "\"\\\"", " as ", " note ", 99)
	f.Fuzz(func(t *testing.T, method, url, name, email, target, tried, note string, status int) {
		e := adminsessions.Event{
			Interface: adminsessions.Web, Method: method, URL: url, StatusCode: status,
			User: adminsessions.User{FullName: name, Email: email}, Target: adminsessions.User{FullName: target},
			SignIn: adminsessions.SignIn{Name: tried}, Note: note, ClientAddress: netip.MustParseAddr("10.2.3.4"),
		}
		line := e.Sentence()
		for _, c := range line {
			if c < ' ' || c == 0x7f {
				t.Fatalf("%q in %q", c, line)
			}
		}
		if line != string(e.AppendSentence(nil)) {
			t.Fatal("two sentences for one event")
		}
		rest := line
		next := func(want string) {
			t.Helper()
			var got string
			got, rest = part(t, rest)
			if got != want {
				t.Fatalf("part %q, want %q, in %q", got, want, line)
			}
		}
		next("WEB")
		next(word(method))
		next(word(url))
		if status == 0 {
			next("-")
		} else {
			next(fmt.Sprint(status))
		}
		if name != "" {
			next(quoted(name))
		}
		if email != "" {
			next("<" + word(email) + ">")
		}
		if name == "" && email == "" {
			next("-")
		}
		next("10.2.3.4")
		if target != "" {
			next("as")
			next(quoted(target))
		}
		if tried != "" {
			next("sign-in")
			next("-")
			next(quoted(tried))
		}
		if note != "" {
			next("note")
			next(quoted(note))
		}
		if rest != "" {
			t.Fatalf("%q is left of %q", rest, line)
		}
	})
}

// part takes the first part off a sentence: what is in quotes, or what goes to
// the next space.
func part(t *testing.T, s string) (first, rest string) {
	t.Helper()
	if !strings.HasPrefix(s, `"`) {
		first, rest, _ = strings.Cut(s, " ")
		return first, rest
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			first, rest = s[:i+1], s[i+1:]
			if rest != "" && rest[0] != ' ' {
				t.Fatalf("no space after %s in %q", first, s)
			}
			return first, strings.TrimPrefix(rest, " ")
		}
	}
	t.Fatalf("a quote is not closed in %q", s)
	return "", ""
}

// word and quoted are the grammar's, written down a second time.
func word(s string) string {
	if s == "" {
		return "-"
	}
	return string(mapBytes([]byte(s), func(c byte) byte {
		if c <= ' ' || c == 0x7f || strings.IndexByte(`"<>`, c) >= 0 {
			return '_'
		}
		return c
	}))
}

func mapBytes(b []byte, f func(byte) byte) []byte {
	for i, c := range b {
		b[i] = f(c)
	}
	return b
}

func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteByte('_')
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// FuzzEventRoundTrip sends an event through the record and through Loki's
// names and back.
func FuzzEventRoundTrip(f *testing.F) {
	f.Add("Anna", "/x", "10.2.3.4", 200, int64(1234567), "a,b")
	f.Add("", "", "", 0, int64(0), "")
	f.Add("\x00", "%", "fe80::1%eth0", -1, int64(math.MaxInt64), ",")
	f.Fuzz(func(t *testing.T, name, url, addr string, status int, ns int64, note string) {
		want := adminsessions.Event{
			Time: time.Unix(1, 2).UTC(), Observed: time.Unix(3, 4).UTC(), Stage: adminsessions.Complete,
			User: adminsessions.User{FullName: name}, URL: url, StatusCode: status, Note: note,
			// Seconds in a float64 hold the nanoseconds of ten days.
			Duration: time.Duration(ns % int64(10*24*time.Hour)),
		}
		want.ClientAddress, _ = netip.ParseAddr(addr)
		r := want.Record()
		if got := adminsessions.EventFromRecord(&r); !reflect.DeepEqual(got, want) {
			t.Errorf("record\n got %+v\nwant %+v", got, want)
		}
		metadata := map[string]string{adminsessions.LokiObservedTimestamp: fmt.Sprint(want.Observed.UnixNano())}
		want.WalkAttributes(func(kv attribute.KeyValue) bool {
			metadata[adminsessions.LokiName(string(kv.Key))] = kv.Value.String()
			return true
		})
		got := adminsessions.EventFromMetadata(want.Time, metadata)
		got.Observed = got.Observed.UTC()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("metadata\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestLokiNames(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"user.email":                "user_email",
		"http.request.header.x-a":   "http_request_header_x_a",
		"a..b":                      "a_b",
		"a__b":                      "a_b",
		"_a_":                       "_a_",
		"7.seven":                   "key_7_seven",
		"日本":                        "_",
		"a日b":                       "a_b",
		"http.response.status_code": "http_response_status_code",
	} {
		if got := adminsessions.LokiName(in); got != want {
			t.Errorf("LokiName(%q) = %q, want %q", in, got, want)
		}
		if got := string(adminsessions.AppendLokiName([]byte("x="), in)); got != "x="+want {
			t.Errorf("AppendLokiName(%q) = %q", in, got)
		}
	}
}

func FuzzLokiName(f *testing.F) {
	for _, s := range []string{"", "user.email", "a..b", "7", "日本", "\xff", "__", "_._"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name := adminsessions.LokiName(key)
		if (name == "") != (key == "") {
			t.Fatalf("%q became %q", key, name)
		}
		if strings.Contains(name, "__") || name != "" && name[0] >= '0' && name[0] <= '9' || !utf8.ValidString(name) {
			t.Fatalf("%q became %q", key, name)
		}
		for _, c := range name {
			if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				t.Fatalf("%q became %q", key, name)
			}
		}
		if again := adminsessions.LokiName(name); again != name {
			t.Fatalf("the name of %q is %q", name, again)
		}
	})
}
