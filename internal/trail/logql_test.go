package trail

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

func TestQuery(t *testing.T) {
	const (
		words   = `| pattern "type=<p_type> method=<p_method> status=<p_status> <_>" | p_status!="" | p_type!="TRAIL"`
		noLooks = ` | pattern "<_> note=\"<p_note>" | p_method!~"GET|HEAD" or p_note!~"looked at the trail: (?s:.*)" | drop p_type, p_method, p_status`
	)
	for name, test := range map[string]struct {
		config Config
		filter Filter
		stage  stage
		want   string
	}{
		"everything": {want: `{service_name=~".+"} ` + words + noLooks + `, p_note`},
		"ended":      {stage: ended, want: `{service_name=~".+"} ` + strings.Replace(words, `!=""`, `!="" | p_status!="started"`, 1) + noLooks + `, p_note`},
		"started": {stage: startedAnonymous, filter: Filter{Looks: true},
			want: `{service_name=~".+"} |= " status=started " | pattern "type=<p_type> method=<_> status=<p_status> email=<p_email> ip=<_> id=<p_id> <_>"` +
				` | p_status="started" | p_email="-" | p_id="-" | p_type!="TRAIL" | drop p_type, p_status, p_email, p_id`},
		"scope": {config: Config{Services: []string{"panel", "a.b"}, Environments: []string{"production"}}, filter: Filter{Looks: true},
			want: `{service_name=~"panel|a\\.b", deployment_environment_name=~"production"} | pattern "type=<p_type> method=<_> status=<p_status> <_>" | p_status!="" | p_type!="TRAIL" | drop p_type, p_status`},
		"the trail's own": {filter: Filter{Only: Conditions{Types: []adminsessions.Type{adminsessions.Trail}}, Looks: true},
			want: `{service_name=~".+"} |= "type=TRAIL " | pattern "type=<p_type> method=<_> status=<p_status> <_>" | p_status!="" | p_type="TRAIL" | drop p_type, p_status`},
		"search": {filter: Filter{Only: Conditions{Texts: []string{"Anna", "x"}}, Looks: true},
			want: `{service_name=~".+"} |~ "(?i)Anna" | pattern "type=<p_type> method=<_> status=<p_status> <_>" | p_status!="" | p_type!="TRAIL"` +
				` | pattern "<p_people>\t<_>" | p_people=~"(?i).*Anna.*" | p_people=~"(?i).*x.*" | drop p_type, p_status, p_people`},
		"words": {filter: Filter{Only: Conditions{Types: []adminsessions.Type{adminsessions.Web}, Methods: []string{"GET", "PUT"}, Statuses: []string{"4xx", "500"}}, Looks: true},
			want: `{service_name=~".+"} |= "type=WEB " | pattern "type=<p_type> method=<p_method> status=<p_status> <_>" | p_status!="" | p_type!="TRAIL" | p_type="WEB"` +
				` | p_method="GET" or p_method="PUT" | p_status=~"4.." or p_status="500" | drop p_type, p_method, p_status`},
		"who and where": {filter: Filter{Only: Conditions{Users: []string{"A@b"}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Sessions: []string{"s"}},
			Hide: adminsessions.User{ID: "1", Email: "c@d"}, Looks: true},
			want: `{service_name=~".+"} |~ "(?i)A@b" |= "\tsession=s request=" | pattern "type=<p_type> method=<_> status=<p_status> email=<p_email> ip=<p_ip> id=<p_id> <_>"` +
				` | p_status!="" | p_type!="TRAIL" | label_format p_padded="{{.p_ip}}     " | p_padded = ip("10.0.0.0/8") | p_email!~"(?i)c@d" | p_id!="1"` +
				` | p_email=~"(?i)A@b" or p_id="A@b" | drop p_type, p_status, p_email, p_ip, p_id, p_padded`},
		"one address": {filter: Filter{Only: Conditions{Addresses: []netip.Prefix{netip.MustParsePrefix("::1/128")}}, Looks: true},
			want: `{service_name=~".+"} |= " ip=::1 " | pattern "type=<p_type> method=<_> status=<p_status> email=<_> ip=<p_ip> <_>" | p_status!="" | p_type!="TRAIL" | p_ip="::1" | drop p_type, p_status, p_ip`},
		"an act": {filter: Filter{Only: Conditions{Actions: []string{"delete"}, Resources: []adminsessions.Resource{{Type: "client", ID: `7"1`}}, Tenants: []string{"a", "b"}}, Looks: true},
			want: `{service_name=~".+"} |= "delete outcome=" |= " tenant=\"a\"" or " tenant=\"b\"" |= " object=\"client\"" |= " object_id=\"7\\\"1\""` +
				` | pattern "type=<p_type> method=<_> status=<p_status> email=<_> ip=<_> id=<_> action=<p_action> <_>" | p_status!="" | p_type!="TRAIL"` +
				` | p_action=~"(?:(?s:.*)\\.)?delete" | drop p_type, p_status, p_action`},
		"without": {filter: Filter{Not: Conditions{Actions: []string{".view", "clients."}, Tenants: []string{"a"}, Resources: []adminsessions.Resource{{Type: "client", ID: "1"}}}, Looks: true},
			want: `{service_name=~".+"} | pattern "type=<p_type> method=<_> status=<p_status> email=<_> ip=<_> id=<_> action=<p_action> <_>" | p_status!="" | p_type!="TRAIL"` +
				` | p_action!~"(?s:.*)\\.view" | p_action!~"clients\\.(?s:.*)" | logfmt object | logfmt object_id | object!="client" or object_id!="1"` +
				` | logfmt tenant | tenant!="a" | drop p_type, p_status, p_action, object, object_id, tenant`},
	} {
		if got := New(nil, test.config).Within(Scope{All: true}).expression(test.filter, test.stage).String(); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
	if got, want := countQL("{}", 24*time.Hour), `sum by (audit_log_id) (count_over_time({} [86400000ms]))`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzQuote quotes any text: what comes of it is one string of LogQL's grammar,
// which is Go's, and means that text.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", `"`, "`", `\`, "\n", "\x00", "\xff", "\u2028", `"} or {a="b"`, "$x", "😀", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := quote(s)
		got, err := strconv.Unquote(quoted)
		if err != nil || got != clean(s) {
			t.Errorf("quote(%q) = %s, which is %q, %v", s, quoted, got, err)
		}
		if strings.ContainsAny(quoted, "\n\x00\ufffd") {
			t.Errorf("quote(%q) = %q has a raw control character", s, quoted)
		}
	})
}

// FuzzWords has words come back as they went in.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"a", "-", "%2d", "a b", `"`, "\t", "=", "żółć", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || len(s) > 200 {
			return
		}
		word := encodeWord(s)
		if strings.ContainsAny(word, " \t\n\"") || decodeWord(word) != clean(s) {
			t.Errorf("%q is the word %q, which is %q", s, word, decodeWord(word))
		}
	})
}

func TestCursor(t *testing.T) {
	c := Cursor{Nanos: 1795000000000000001, Hash: 0xfedcba9876543210}
	if got, err := ParseCursor(c.String()); err != nil || got != c {
		t.Errorf("ParseCursor(%s) = %v, %v", c, got, err)
	}
	for _, s := range []string{"", "1", "1.", ".1", "-1.1", "0.0", "x.1", "1.x", "1.1.1", "99999999999999999999.1"} {
		if _, err := ParseCursor(s); err == nil {
			t.Errorf("ParseCursor(%q): no error", s)
		}
	}
}
