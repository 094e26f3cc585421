package trail

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

func TestScopeCheck(t *testing.T) {
	long := strings.Repeat("x", 4000)
	many := make([]string, MaxTenants+1)
	for i := range many {
		many[i] = "t" + strings.Repeat("x", i%100)
	}
	for name, test := range map[string]struct {
		scope Scope
		bad   string // in the error
	}{
		"nothing":             {Scope{}, ""},
		"all":                 {Scope{All: true, Tenants: []string{""}}, ""},
		"tenants":             {Scope{Tenants: []string{"acme", `a"c\me`, "-", "żółć", "a b "}}, ""},
		"own":                 {Scope{Own: adminsessions.User{ID: "-", Email: "a b@c", FullName: long}}, ""},
		"no tenant's name":    {Scope{Tenants: []string{"acme", ""}}, `tenant ""`},
		"a space before it":   {Scope{Tenants: []string{" name="}}, `tenant " name="`},
		"a long tenant":       {Scope{Tenants: []string{long}}, "tenant"},
		"not UTF-8":           {Scope{Tenants: []string{"a\xff"}}, `tenant "a\xff"`},
		"what UTF-8 replaces": {Scope{Tenants: []string{"a\ufffd"}}, "tenant"},
		"many tenants":        {Scope{Tenants: many}, "201 tenants, want at most 200"},
		"a long id":           {Scope{Own: adminsessions.User{ID: long}}, "own id"},
		"a broken address":    {Scope{Own: adminsessions.User{Email: "a\xff@b"}}, `e-mail address "a\xff@b"`},
	} {
		switch err := test.scope.Check(); {
		case test.bad == "" && err != nil, test.bad != "" && (err == nil || !strings.Contains(err.Error(), test.bad)):
			t.Errorf("%s: %v, want %q", name, err, test.bad)
		}
	}
}

func TestScopeKeysDiffer(t *testing.T) {
	keys := map[string]string{}
	for name, s := range map[string]Scope{
		"nothing": {}, "all": {All: true}, "a": {Tenants: []string{"a"}}, "a b": {Tenants: []string{"a b"}}, "a, b": {Tenants: []string{"b", "a", "a"}},
		`a" "b`: {Tenants: []string{`a" "b`}}, "id a": {Own: adminsessions.User{ID: "a"}}, "mail a": {Own: adminsessions.User{Email: "a"}},
		"all by name": {Tenants: []string{"all"}}, "id and mail": {Own: adminsessions.User{ID: "a", Email: "a"}},
	} {
		if other, taken := keys[s.Key()]; taken {
			t.Errorf("%s and %s have the key %s", name, other, s.Key())
		}
		keys[s.Key()] = name
	}
	a, b := Scope{Tenants: []string{"a", "b"}}, Scope{Tenants: []string{"b", "a"}}
	if a.Key() != b.Key() {
		t.Errorf("keys %s and %s of the same scope", a.Key(), b.Key())
	}
}

// FuzzTenantText has what a line says of a tenant stand in no line of another
// tenant, whatever its texts and words are.
func FuzzTenantText(f *testing.F) {
	for _, text := range []string{` tenant="acme"`, `a tenant=`, `\`, `\" tenant="acme"`, "\t tenant=\"acme\"", `" tenant="acme`, "\xff"} {
		f.Add("acme", "acme2", text)
		f.Add(text, "acme", "x tenant=")
	}
	f.Fuzz(func(t *testing.T, mine, other, text string) {
		scope := Scope{Tenants: []string{mine}}
		if scope.Check() != nil || len(text) > 2000 {
			t.Skip("no scope's tenant")
		}
		e := adminsessions.Event{
			Type: adminsessions.Type(text), Method: text, URL: text, User: adminsessions.User{ID: text, FullName: text, Email: text},
			Action: text, Outcome: adminsessions.Outcome(text), Resource: adminsessions.Resource{Type: text, ID: text, Name: text},
			Target: adminsessions.User{ID: text, FullName: text, Email: text}, SignIn: adminsessions.SignIn{Name: text, Outcome: adminsessions.SignInOutcome(text)},
			Actor:  adminsessions.Actor{Type: adminsessions.ActorType(text), CredentialID: text, TenantID: other},
			Reason: text, Note: text, Changes: []adminsessions.Change{{Field: text, Old: text, New: text}, {Field: "tenant", Old: mine, New: mine}},
			SessionID: text, RequestID: text, Route: text, UserAgent: text, ErrorType: text, Cause: text, Checkpoint: text,
			Attributes: []attribute.KeyValue{attribute.String("tenant", mine), attribute.String(text, text)},
		}
		line := e.Line()
		read, err := adminsessions.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		if has, is := strings.Contains(line, tenantText(mine)), read.Actor.TenantID == mine; has != is {
			t.Errorf("tenant %q: contained %t, in the scope %t: %s", mine, has, is, line)
		}
		if got := scope.allows(&Event{Event: read}); got != (read.Actor.TenantID == mine && read.Type != adminsessions.Trail) {
			t.Errorf("tenant %q: allowed %t: %s", mine, got, line)
		}
	})
}

// TestCursorTellsNoNumber has the place of an event be the same whatever its number
// in the log is: by the number somebody could tell how many others there are.
func TestCursorTellsNoNumber(t *testing.T) {
	line := (&adminsessions.Event{User: adminsessions.User{ID: "1"}, RequestID: "r"}).Line()
	at := func(line string) Cursor {
		e := newEvent(&loki.Entry{Nanos: 1, Line: line})
		return e.Cursor()
	}
	one := at(string(adminsessions.AppendSequence([]byte(line), 1, time.Time{})))
	two := at(string(adminsessions.AppendSequence([]byte(line), 2, time.Unix(1, 0))))
	if one != two || one != at(line) {
		t.Errorf("places %v and %v by the number", one, two)
	}
	if at("a\tb\tc") == at("a\tb\td") || at(line) == at(line+" x=\"y\"") {
		t.Error("different lines have one place")
	}
}
