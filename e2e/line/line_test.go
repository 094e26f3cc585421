package line

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// nasty are values that are hard to quote, or that would be another field if they
// were not.
var nasty = []string{
	"Anna Kowalska", `a "quoted" word`, `back\slash`, `ends with \`, `\"`, `\\\"`, `C:\new\table\u0041`, "a=b", "a = b", `email=evil@example.com`,
	`x" email=evil@example.com ip="6.6.6.6`, "tab\there", "line\nfeed", "carriage\rreturn", "nul\x00byte", "bell\a", "escape \x1b[31mred", "delete\x7f",
	"Żaneta Łęcka", "日本語 管理者", "emoji 🙂 and 👩‍💻", "rtl \u202eevil", "zero\u200bwidth", "nbsp\u00a0here", "line sep\u2028here", "replaced \ufffd char", "bad utf8 \xff\xfe",
	" leads and trails ", `'single' and ` + "`backtick`", "{{.template}}", "<angle> <_> brackets", `%22 %0a`, `{"json": "value"}`, "-", "", "null", "true", "007", "1e9", "a,b;c|d", "a  double  space", `""`, `"`, "=", "name=",
	strings.Repeat("long ", 4000),
	// Neighbours.
	" ", "  ", "\t", "\t\t", "\n", "\r\n", "\x00", "\x01\x02", "%", "%2", "%2d", "%%", "--", "_", "\\", `\\`, `\u0000`, `\n`, "\u00ad", "\ufeff", "\u0085", "\U0010ffff",
	"\tseq=999 at=1", "x\tsession=evil request=evil ms=1", `" session=evil request=evil`, ` type=WEB method=GET status=200 email=evil@example.com ip=6.6.6.6 id=666 action=evil outcome=success`,
	`evil" note="forged`, `\" note=\"forged`, `x\` + `" note="forged`, "started", " status=started ", "a\u0000\tb=\"c\" d", strings.Repeat(`\`, 255), strings.Repeat(`"`, 300), strings.Repeat("é", 200),
	"\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "😀\xf0\x9f", "a\xffb\xfec", "{a=\"b\"} |= `x`", "${__user.email}", "$__range", "&amp;<b>", "';--", "\u2066x\u2069",
}

// record is a log record with attributes.
type record map[string]string

func (record) Timestamp() time.Time         { return time.Time{} }
func (record) ObservedTimestamp() time.Time { return time.Time{} }
func (record) Body() attribute.Value        { return attribute.Value{} }
func (r record) WalkAttributes(f func(attribute.KeyValue) bool) {
	for k, v := range r {
		if !f(attribute.String(k, v)) {
			return
		}
	}
}

// ordinary is an event with nothing odd in it, as attributes.
var ordinary = record{
	"admin.interface": "api", "http.request.method": "DELETE", "http.response.status_code": "204", "user.email": "anna@example.com",
	"client.address": "10.2.3.4", "user.id": "2", "url.full": "https://panel.example/admin/clients/7731", "user.full_name": "Anna Kowalska",
	"admin.note": "client 7731 deleted", "session.id": "ab12", "admin.request.id": "e78e", "http.server.request.duration": "0.0121",
	"http.route": "/admin/clients/{id}", "user_agent.original": "curl/8.5",
}

// written is one line in Loki, and what it must say.
type written struct {
	field, value string
	line         string
	want         map[string]string // by key; words as they are written
}

// lines are one line for each field and each nasty value in it.
func lines(t *testing.T) []written {
	var all []written
	for f := range adminsessions.Fields() {
		if f.Key == "" || f.Name == "" || f.Name == "cut" {
			continue
		}
		for _, value := range nasty {
			if f.Name == "outcome" && value == "-" {
				continue // means what it does in a line: not known
			}
			r := maps.Clone(ordinary)
			r[f.Key] = value
			all = append(all, write(t, f.Name, value, r))
		}
	}
	for _, value := range nasty {
		r := maps.Clone(ordinary)
		r["plan"] = value
		all = append(all, write(t, "attr.plan", value, r))
		if value != "" {
			r = maps.Clone(ordinary)
			r[value] = "S" // a key
			all = append(all, write(t, "", value, r))
		}
	}
	zone := netip.MustParseAddr("fe80::1").WithZone(`e"t h=0`)
	e := adminsessions.EventFromRecord(ordinary)
	e.ClientAddress = zone
	return append(all, expect(t, "ip", zone.String(), e))
}

func write(t *testing.T, field, value string, r record) written {
	return expect(t, field, value, adminsessions.EventFromRecord(r))
}

// expect is the line of an event, and what it must say: what reads it in Go has
// been shown to say so before.
func expect(t *testing.T, field, value string, e adminsessions.Event) written {
	t.Helper()
	w := written{field, value, string(adminsessions.AppendSequence(e.AppendLine(nil), 118, time.Time{})), map[string]string{"seq": "118"}}
	back, err := adminsessions.ParseLine(w.line)
	if err != nil {
		t.Errorf("%s=%q: %v\n%s", field, value, err, w.line)
		return w
	}
	cut := map[string]bool{}
	for _, name := range back.Cut {
		cut[name] = true
	}
	for f := range adminsessions.Fields() {
		if f.Name == "" {
			continue
		}
		wrote, read := clean(f.Get(&e)), f.Get(&back)
		switch {
		case f.Name == "cut":
		case cut[f.Name] && strings.HasPrefix(wrote, read):
		case wrote != read:
			t.Errorf("%s=%q: %s is read as %q, want %q\n%s", field, value, f.Name, read, wrote, w.line)
		}
		if f.Word {
			w.want[f.Name] = wordOf(read)
		} else if read != "" {
			w.want[f.Name] = read
		}
	}
	attributes := 0
	for _, kv := range e.Attributes {
		if kv.Value.String() != "" {
			attributes++
		}
	}
	if len(back.Attributes) != attributes {
		t.Errorf("%s=%q: %d attributes are read, want %d\n%s", field, value, len(back.Attributes), attributes, w.line)
	}
	for _, kv := range back.Attributes {
		w.want["attr."+string(kv.Key)] = kv.Value.String()
	}
	return w
}

// wordOf is a value as a word in a line.
func wordOf(value string) string {
	if value == "" {
		return "-"
	}
	if value == "-" {
		return "%2d"
	}
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`"=%\<>`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// clean is a text as lines hold it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '□'
		}
		return r
	}, s)
}

// label is the name that LogQL gives a key.
func label(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}

// TestForeignLines has lines of others among ours, with what Loki can't have in a
// label: queries that drop what they captured, or keep such lines out, are
// answered, and count all of ours.
func TestForeignLines(t *testing.T) {
	loki := lokitest.Start(t)
	at := time.Now().Add(-time.Minute)
	e := adminsessions.EventFromRecord(ordinary)
	stream := lokitest.Stream{Labels: map[string]string{"service_name": "line"}}
	for i, line := range []string{
		e.Line(), "hello", "", "type=API method=\ufffd status=\ufffd email=\ufffd ip=\ufffd id=\ufffd x", "type=\ufffd\tsession=\ufffd request=\ufffd ms=\ufffd x\tseq=\ufffd",
		`{"type":"API"}`, `type="API`, "\ufffd", e.Line(),
	} {
		stream.Entries = append(stream.Entries, lokitest.Entry{Time: at.Add(time.Duration(i) * time.Millisecond), Line: line})
	}
	if err := loki.Push(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	const words = `{service_name="line"} %s| pattern "type=<type> method=<method> status=<status> email=<email> <_>" | status!="" | status!="started"`
	for query, want := range map[string]int{
		fmt.Sprintf(words, "") + " | drop type, method, status, email":                      3,
		fmt.Sprintf(words, `!= "\ufffd" `):                                                  2,
		fmt.Sprintf(words, `!= "\ufffd" `) + " | logfmt":                                    2,
		`{service_name="line"} |= " method=DELETE " | logfmt | method="DELETE"`:             2,
		fmt.Sprintf(words, `|= " email=anna@example.com "`) + ` | email="anna@example.com"`: 2,
	} {
		entries, err := loki.Query(t.Context(), query, lokitest.Last(time.Hour))
		if err != nil || len(entries) != want {
			t.Errorf("%s: %d lines, %v; want %d", query, len(entries), err, want)
		}
	}
	samples, err := loki.Instant(t.Context(), `sum by (email) (count_over_time(`+fmt.Sprintf(words, `!= "\ufffd" `)+` [1h]))`, time.Now())
	if err != nil || len(samples) != 1 || samples[0].Value != 2 {
		t.Errorf("counted %v, %v; want 2 of anna@example.com", samples, err)
	}
}

// TestNastyValues reads every nasty value in every field by Go, by "| logfmt" and
// by "| pattern".
func TestNastyValues(t *testing.T) {
	all := lines(t)
	loki := lokitest.Start(t)
	start := time.Now().Add(-time.Hour)
	stream := lokitest.Stream{Labels: map[string]string{"service_name": "line"}}
	for i, w := range all {
		stream.Entries = append(stream.Entries, lokitest.Entry{Time: start.Add(time.Duration(i) * time.Millisecond), Line: w.line})
	}
	const atATime = 500
	for i := 0; i < len(all); i += atATime {
		part := lokitest.Stream{Labels: stream.Labels, Entries: stream.Entries[i:min(i+atATime, len(all))]}
		if err := loki.Push(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	words := `| pattern "type=<type> method=<method> status=<status> email=<email> ip=<ip> id=<id> action=<action> outcome=<outcome> <_>"` +
		` | pattern "<_>\tsession=<session> request=<request> ms=<ms> <_>" | pattern "<_>\tseq=<seq>"`
	read := func(query string) map[int]map[string]string {
		entries, err := loki.Query(t.Context(), `{service_name="line"} `+query, lokitest.Range{From: start, To: start.Add(time.Hour)})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		byNumber := map[int]map[string]string{}
		for _, e := range entries {
			n := int(e.Time.Sub(start) / time.Millisecond)
			if e.Line != all[n].line {
				t.Errorf("Loki has changed the line\n%s\ninto\n%s", all[n].line, e.Line)
			}
			byNumber[n] = e.Parsed
		}
		if len(byNumber) != len(all) {
			t.Errorf("%s: %d lines, want %d", query, len(byNumber), len(all))
		}
		return byNumber
	}
	byLogfmt, strictly, byPattern := read("| logfmt"), read("| logfmt --strict"), read(words)
	for n, w := range all {
		want := map[string]string{}
		for key, value := range w.want {
			want[label(key)] = value
		}
		for how, got := range map[string]map[string]string{"logfmt": byLogfmt[n], "logfmt --strict": strictly[n]} {
			if !maps.Equal(got, want) {
				t.Errorf("%s of %s=%.80q:\n%q, want\n%q\n%.400s", how, w.field, w.value, got, want, w.line)
			}
		}
		for key, value := range byPattern[n] {
			if value != w.want[key] {
				t.Errorf("pattern of %s=%.80q: %s=%q, want %q\n%.400s", w.field, w.value, key, value, w.want[key], w.line)
			}
		}
		if len(byPattern[n]) != 12 {
			t.Errorf("pattern of %s=%.80q: %q, want 12 words\n%.400s", w.field, w.value, byPattern[n], w.line)
		}
	}
}
