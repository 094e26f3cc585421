package query

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

func TestRead(t *testing.T) {
	text := func(s string) Term { return Term{Value: s} }
	for s, want := range map[string]Query{
		"":                            nil,
		"  \t":                        nil,
		"anna":                        {text("anna")},
		"  foo bar ":                  {text("foo bar")},
		"foo  bar":                    {text("foo  bar")},
		`"foo bar"`:                   {text("foo bar")},
		`"foo" "bar"`:                 {text("foo"), text("bar")},
		`foo "bar baz" qux`:           {text("foo"), text("bar baz"), text("qux")},
		`foo admin:anna bar`:          {text("foo"), {Key: "admin", Value: "anna"}, text("bar")},
		`admin:"Anna Kowalska" x`:     {{Key: "admin", Value: "Anna Kowalska"}, text("x")},
		`-status:404 -"not this"`:     {{Not: true, Key: "status", Value: "404"}, {Not: true, Value: "not this"}},
		`-anna`:                       {text("-anna")},
		`- -- -`:                      {text("- -- -")},
		`a -b c`:                      {text("a -b c")},
		`ADMIN:Anna`:                  {{Key: "admin", Value: "Anna"}},
		`client:7731`:                 {{Key: "client", Value: "7731"}},
		`name="Anna Kowalska"`:        {text(`name="Anna Kowalska"`)},
		`x" email=evil`:               {text(`x" email=evil`)},
		`a"b"c`:                       {text(`a"b"c`)},
		`\"`:                          {text(`\"`)},
		`"a \"b\" \\ \n"`:             {text(`a "b" \ \n`)},
		`status=404`:                  {text("status=404")},
		`https://panel.example/a?b=c`: {text("https://panel.example/a?b=c")},
		`see https://a.example now`:   {text("see https://a.example now")},
		`2001:db8::17`:                {text("2001:db8::17")},
		`abcd:ef::1`:                  {text("abcd:ef::1")},
		`::1 12:30`:                   {text("::1 12:30")},
		`C:\new\table`:                {text(`C:\new\table`)},
		`error: it failed`:            {text("error: it failed")},
		`timeout:`:                    {text("timeout:")},
		`ip:2001:db8::1 ip:::1`:       {{Key: "ip", Value: "2001:db8::1"}, {Key: "ip", Value: "::1"}},
		`request:a:b`:                 {{Key: "request", Value: "a:b"}},
		`url:"/a b"`:                  {{Key: "url", Value: "/a b"}},
		`url:a"b`:                     {{Key: "url", Value: `a"b`}},
		"anna action:delete":          {text("anna"), {Key: "action", Value: "delete"}},
		"{{.x}} $__all .* [a-z]":      {text("{{.x}} $__all .* [a-z]")},
	} {
		got, err := Read(s)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Read(%q) = %q, %v, want %q", s, got, err, want)
		}
		if again, err := Read(got.String()); err != nil || !slices.Equal(again, got) {
			t.Errorf("%q is written %q, which is %q, %v", s, got.String(), again, err)
		}
	}
}

func TestParse(t *testing.T) {
	got, err := Parse(`admin:anna action:delete object:client/7731 ip:10.0.0.0/8 -status:404 "free text" status:5XX status:200 type:WEB -outcome:Denied ` +
		`object:plan object:/9 actor:agent tenant:acme credential:k1 country:pl session:s request:r url:/x reason:"because of" -admin:ben method:put -"not"`)
	want := trail.Filter{
		Only: trail.Conditions{
			Texts: []string{"free text"}, Users: []string{"anna"}, Actions: []string{"delete"},
			Resources: []adminsessions.Resource{{Type: "client", ID: "7731"}, {Type: "plan"}, {ID: "9"}},
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Statuses: []string{"5xx", "200"},
			Types: []adminsessions.Type{adminsessions.Web}, Actors: []adminsessions.ActorType{adminsessions.ActorAgent},
			Tenants: []string{"acme"}, Credentials: []string{"k1"}, Countries: []string{"PL"}, Sessions: []string{"s"}, Requests: []string{"r"},
			URLs: []string{"/x"}, Reasons: []string{"because of"}, Methods: []string{"PUT"},
		},
		Not: trail.Conditions{Statuses: []string{"404"}, Outcomes: []adminsessions.Outcome{adminsessions.OutcomeDenied}, Users: []string{"ben"}, Texts: []string{"not"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want\n%+v", got, err, want)
	}
}

func TestErrors(t *testing.T) {
	for s, want := range map[string]Fault{
		`"`: BadQuote, `"anna`: BadQuote, `anna "`: BadQuote, `admin:"Anna Kowalska`: BadQuote, `"a"b`: BadQuote, `-"a`: BadQuote,
		`"a\"`: BadQuote, `admin:"a"b`: BadQuote, `"a""b"`: BadQuote,
		`""`: NoValue, `-"  "`: NoValue, `admin:`: NoValue, `admin: anna`: NoValue, `admin:""`: NoValue, `-status:`: NoValue,
		`statsu:404`: UnknownKey, `client:7731`: UnknownKey, `-foo:bar`: UnknownKey, `is:open`: UnknownKey, `note:"a b"`: UnknownKey, `a foo:bar`: UnknownKey,
		`status:40`: BadValue, `status:6xx`: BadValue, `method:BREW`: BadValue, `type:x`: BadValue, `ip:1.2.3`: BadValue, `ip:10.0.0.0/33`: BadValue,
		`outcome:ok`: BadValue, `actor:human`: BadValue, `country:POL`: BadValue, `object:/`: BadValue, `-ip:x`: BadValue,
		strings.Repeat("admin:a ", MaxTerms+1): TooLong, strings.Repeat(`"a" `, 200): TooLong,
	} {
		_, err := Parse(s)
		bad, ok := errors.AsType[*Error](err)
		if !ok || bad.Fault != want {
			t.Errorf("Parse(%.40q): %v, want %s", s, err, want)
			continue
		}
		if text := bad.Error(); len(text) > 400 || want == UnknownKey && !strings.Contains(text, "admin, action, object") {
			t.Errorf("Parse(%.40q) says %q", s, text)
		}
	}
}

// FuzzQuery reads anything: what is read is written so that it reads the same,
// and a query without a quote or a colon is one text.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{`admin:anna action:delete client:7731 ip:10.0.0.0/8 -status:404 "free text"`, `"a`, `a "b\"" -"c" x`, "a\u00a0b:c", `-a:"b c"`, `a:`, "\xff:\x00", `"\\"`, `""`, `\`, `a b "c d" e f`, "aa:\u2028b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Read(s)
		if err != nil || len(s) > 2000 {
			return
		}
		written := q.String()
		again, err := Read(written)
		if err != nil || !slices.Equal(again, q) {
			t.Fatalf("%q is %q, written %q, which is %q, %v", s, q, written, again, err)
		}
		if !strings.ContainsAny(s, `":`) && strings.TrimSpace(s) != "" && !slices.Equal(q, Query{{Value: strings.TrimSpace(s)}}) {
			t.Errorf("%q is not one text, but %q", s, q)
		}
		for _, term := range q {
			if one, err := Read(term.String()); err != nil || !slices.Equal(one, Query{term}) {
				t.Errorf("the term %q alone is %q, %v", term, one, err)
			}
			if as, err := Value(term.Key, term.Value); err == nil {
				if twice, err := Value(term.Key, as); err != nil || twice != as {
					t.Errorf("%s:%s is read as %q, and that as %q, %v", term.Key, term.Value, as, twice, err)
				}
			}
		}
		if f, err := q.Filter(); err == nil && len(q) > 0 && reflect.DeepEqual(f, trail.Filter{}) {
			t.Errorf("%q chooses everything", s)
		}
	})
}
