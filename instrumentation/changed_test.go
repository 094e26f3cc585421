package instrumentation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

type plan struct {
	CPU    int `json:"cpu"`
	Memory uint64
}

type level int

func (l level) String() string { return [...]string{"low", "high"}[l] } // panics beyond

type client struct {
	Name      string     `json:"name"`
	Email     string     `json:"email,omitempty"`
	Plan      *plan      `json:"plan"`
	Status    level      `json:"status"`
	Tags      []string   `json:"tags"`
	Address   netip.Addr `json:"address"`
	Since     time.Time  `json:"since"`
	Password  string     `json:"password"`
	PIN       string     `json:"number" audit:"secret"`
	Internal  string     `audit:"-"`
	Ignored   string     `json:"-"`
	Self      *client    `json:"self"`
	Any       any
	Callback  func()
	Err       error
	hidden    string
	Balance   float64
	Blob      []byte
	Settings  json.RawMessage
	Digest    [2]byte
	Map       map[level]string
	Anonymous `json:""`
}

type Anonymous struct{ Embedded bool }

// changes records a request that makes the calls, and returns what its event
// says was changed.
func changes(t *testing.T, calls ...[2]any) ([]adminsessions.Change, adminsessions.Event) {
	t.Helper()
	var sink recordtest.Sink
	record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&sink))
	if err != nil {
		t.Fatal(err)
	}
	e := recordtest.Ask(t, &sink, record(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, c := range calls {
			if !instrumentation.Changed(r.Context(), c[0], c[1]) {
				t.Error("there was no record")
			}
		}
	})), http.MethodPut, "/clients/7")
	return e.Changes, e
}

func TestChanged(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := client{
		Name: "Acme", Plan: &plan{CPU: 2, Memory: 1}, Tags: []string{"a", "b"}, Address: netip.MustParseAddr("10.0.0.1"), Since: at,
		Password: "old", PIN: "1111", Internal: "x", Ignored: "x", hidden: "x", Balance: 1.5, Blob: []byte{0xff}, Settings: json.RawMessage(`{"a":{"b":1},"c":true}`),
		Map: map[level]string{1: "x"},
	}
	after := before
	after.Name, after.Plan, after.Status, after.Tags = `Acme "2"`, &plan{CPU: 4, Memory: 1}, 1, []string{"a"}
	after.Address, after.Since, after.Password, after.PIN = netip.MustParseAddr("10.0.0.2"), at.Add(time.Hour), "new", "2222"
	after.Internal, after.Ignored, after.hidden, after.Balance, after.Blob = "y", "y", "y", 2, []byte{0xff, 0xff}
	after.Settings, after.Any, after.Err, after.Digest, after.Embedded = json.RawMessage(`{"a":{"b":2}}`), 7, errors.New("full"), [2]byte{1, 2}, true
	after.Callback = func() {}
	after.Map = map[level]string{1: "y"}
	got, e := changes(t, [2]any{before, &after})
	want := []adminsessions.Change{
		{Field: "Any", New: "7"},
		{Field: "Balance", Old: "1.5", New: "2"},
		{Field: "Blob", Old: "1 bytes, a8100ae6", New: "2 bytes, ca2fd00f"},
		{Field: "Digest", Old: "0000", New: "0102"},
		{Field: "Embedded", Old: "false", New: "true"},
		{Field: "Err", New: "full"},
		{Field: "Map.high", Old: "x", New: "y"},
		{Field: "Settings.a.b", Old: "1", New: "2"},
		{Field: "Settings.c", Old: "true"},
		{Field: "address", Old: "10.0.0.1", New: "10.0.0.2"},
		{Field: "name", Old: "Acme", New: `Acme "2"`},
		{Field: "number", Old: "REDACTED", New: "REDACTED"},
		{Field: "password", Old: "REDACTED", New: "REDACTED"},
		{Field: "plan.cpu", Old: "2", New: "4"},
		{Field: "since", Old: "2026-01-02T03:04:05Z", New: "2026-01-02T04:04:05Z"},
		{Field: "status", Old: "low", New: "high"},
		{Field: "tags.1", Old: "b"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes\n got %q\nwant %q", got, want)
	}
	if len(e.Cut) > 0 {
		t.Errorf("cut %q", e.Cut)
	}
}

func TestChangedOfMapsAndJSON(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after any
		want          []adminsessions.Change
	}{
		{"made", nil, map[string]any{"name": "x", "token": "t"}, []adminsessions.Change{{Field: "name", New: "x"}, {Field: "token", New: "REDACTED"}}},
		{"gone", map[string]any{"name": "x"}, nil, []adminsessions.Change{{Field: "name", Old: "x"}}},
		{"nothing", nil, nil, nil},
		{"the same", map[string]int{"a": 1}, map[string]int{"a": 1}, nil},
		{"JSON", []byte(`{"a":[1,{"b":null}],"n":12345678901234567890}`), json.RawMessage(`{"a":[2],"n":12345678901234567891}`), []adminsessions.Change{{Field: "a.0", Old: "1", New: "2"}, {Field: "n", Old: "12345678901234567890", New: "12345678901234567891"}}},
		{"a struct and JSON", plan{CPU: 1}, []byte(`{"cpu":2,"Memory":0}`), []adminsessions.Change{{Field: "cpu", Old: "1", New: "2"}}},
		{"plain values", "a", "b", []adminsessions.Change{{Field: "value", Old: "a", New: "b"}}},
		{"a typed nil", (*plan)(nil), &plan{CPU: 1}, []adminsessions.Change{{Field: "Memory", New: "0"}, {Field: "cpu", New: "1"}}},
		{"secrets within", map[string]any{"credentials": map[string]string{"user": "a"}}, map[string]any{"credentials": map[string]string{"user": "b"}}, []adminsessions.Change{{Field: "credentials.user", Old: "REDACTED", New: "REDACTED"}}},
		{"a yes or no", map[string]any{"mfa": true, "password": "x", "token": map[string]any{"valid": true}}, struct {
			MFA   bool            `json:"mfa"`
			PIN   bool            `json:"pin" audit:"secret"`
			Token map[string]bool `json:"token"`
		}{Token: map[string]bool{"valid": false}}, []adminsessions.Change{
			{Field: "mfa", Old: "true", New: "false"}, {Field: "password", Old: "REDACTED"}, {Field: "pin", New: "REDACTED"}, {Field: "token.valid", Old: "true", New: "false"},
		}},
		{"a yes that was a secret", map[string]any{"token": "abc"}, map[string]any{"token": true}, []adminsessions.Change{{Field: "token", Old: "REDACTED", New: "REDACTED"}}},
		{"a secret for a name", map[string]int{"ghp_0123456789abcdefghijklmnopqrstuvwxyzA": 1}, nil, []adminsessions.Change{{Field: "REDACTED", Old: "1"}}},
		{"clean", map[string]string{"a": "1\n2\u202e"}, nil, []adminsessions.Change{{Field: "a", Old: "1□2□"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := changes(t, [2]any{c.before, c.after}); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

type evil struct{ A int }

func (evil) MarshalText() ([]byte, error) { panic("no") }

type worse struct{ p *int }

func (w worse) String() string { return fmt.Sprint(*w.p) }

// Whatever is compared, there is a record.
func TestChangedWithstands(t *testing.T) {
	cyclic := &client{Name: "a"}
	cyclic.Self = cyclic
	var loop any
	loop = &loop
	branching := make([]any, 64)
	for i := range branching {
		branching[i] = branching
	}
	long := map[string]string{}
	for i := range 1000 {
		long[fmt.Sprint("key", i)] = strings.Repeat("x", 1000)
	}
	wide := map[string]int{}
	for i := range 10_000 {
		wide[fmt.Sprint("field", i)] = i
	}
	for name, c := range map[string]struct {
		before, after any
		cut           bool
	}{
		"a cycle":            {cyclic, &client{Name: "b"}, true},
		"a loop":             {loop, nil, true},
		"10,000 fields":      {nil, wide, true},
		"1 MB":               {nil, map[string]string{"a": strings.Repeat("x", 1<<20)}, true},
		"64 ways to itself":  {branching, nil, true},
		"1,000 long fields":  {nil, long, true},
		"2 MB of JSON":       {nil, []byte(`{"a":"` + strings.Repeat("x", 2<<20) + `"}`), false},
		"deep JSON":          {nil, []byte(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), true},
		"deeper than it may": {nil, []byte(strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000)), false},
		"a long name":        {nil, map[string]int{strings.Repeat("x", 1<<20): 1}, true},
		"a forged name":      {nil, map[string]string{"x=1 now.status=\"closed\"\tseq": "1"}, false},
		"a method panics":    {evil{1}, evil{2}, false},
		"String panics":      {worse{}, level(7), false},
		"a list without end": {nil, make([]int, 1000), true},
	} {
		t.Run(name, func(t *testing.T) {
			got, e := changes(t, [2]any{c.before, c.after})
			if len(got) > adminsessions.MaxChanges || slices.Contains(e.Cut, "changes") != c.cut {
				t.Errorf("%d changes, cut %q", len(got), e.Cut)
			}
			if line := e.Line(); len(line) > adminsessions.MaxLineBytes {
				t.Errorf("the line has %d bytes", len(line))
			}
		})
	}
}

func TestChangesAddUp(t *testing.T) {
	got, _ := changes(t, [2]any{nil, plan{CPU: 1}}, [2]any{map[string]string{"x": "1"}, map[string]string{"x": "2"}})
	if len(got) != 3 || got[2] != (adminsessions.Change{Field: "x", Old: "1", New: "2"}) {
		t.Errorf("changes %q", got)
	}
	if instrumentation.Changed(t.Context(), 1, 2) {
		t.Error("a change without a request is recorded")
	}
}

// What is too much is left out; it is not said to be gone.
func TestChangesThatAreTooMany(t *testing.T) {
	before, after := map[string]int{}, map[string]int{}
	for i := range 10_000 {
		before[fmt.Sprintf("f%05d", i)], after[fmt.Sprintf("f%05d", i)] = i, i
	}
	after["a"], after["f00500"] = 1, 0
	delete(after, "f00600")
	want := []adminsessions.Change{{Field: "f00500", Old: "500", New: "0"}}
	for range 3 {
		got, e := changes(t, [2]any{before, after})
		if !slices.Equal(got, want) || !slices.Contains(e.Cut, "changes") {
			t.Errorf("changes %q, cut %q", got, e.Cut)
		}
	}
}

// Whatever JSON is compared, what has not changed is not said to have, and the
// same is said each time.
func FuzzChanged(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2]}}`), []byte(`{"a":{"b":[1,3]},"token":"x"}`))
	f.Add([]byte(`[[[]]]`), []byte(`{"":1}`))
	f.Add([]byte(`{`), []byte(nil))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		compare := func(before, after any) ([]adminsessions.Change, adminsessions.Event) {
			e := handle(t, func(ctx context.Context) { instrumentation.Changed(ctx, before, after) })
			return e.Changes, e
		}
		if got, _ := compare(before, before); len(got) > 0 {
			t.Errorf("the same differs: %q", got)
		}
		first, _ := compare(before, after)
		again, e := compare(before, after)
		if !slices.Equal(first, again) {
			t.Errorf("said %q, then %q", first, again)
		}
		if back, err := adminsessions.ParseLine(e.Line()); err != nil || len(back.Changes) > len(e.Changes) {
			t.Errorf("read back %q, %v", back.Changes, err)
		}
	})
}

func TestManyCallsOfChanged(t *testing.T) {
	e := handle(t, func(ctx context.Context) {
		for i := range 10_000 {
			if !instrumentation.Changed(ctx, map[string]int{"n": i}, map[string]int{"n": i + 1}) {
				t.Fatal("there was no record")
			}
		}
	})
	if len(e.Changes) != adminsessions.MaxChanges || e.Changes[1] != (adminsessions.Change{Field: "n", Old: "1", New: "2"}) || !slices.Contains(e.Cut, "changes") {
		t.Errorf("%d changes, cut %q", len(e.Changes), e.Cut)
	}
}

type base struct {
	Status string `json:"status"`
}

type account struct {
	base
	*plan
	Name string
}

func (a account) String() string { return a.Name }

type named struct {
	Name, Status string
	Limit        *limit
}

func (n named) String() string { return n.Name }

type limit struct{ CPU int }

func (*limit) String() string { return "limited" }

// What encoding/json takes for fields of a struct are compared; that it can say what
// it is called hides nothing of it.
func TestChangedSeesEveryField(t *testing.T) {
	page := func(query string) *url.URL {
		return &url.URL{Scheme: "https", User: url.UserPassword("anna", "hunter2"), Host: "panel.example", RawQuery: query}
	}
	for _, c := range []struct {
		name          string
		before, after any
		want          []adminsessions.Change
	}{
		{"embedded, not exported", account{base{"active"}, &plan{CPU: 1}, "Acme"}, &account{base{"closed"}, &plan{CPU: 2}, "Acme"}, []adminsessions.Change{{Field: "cpu", Old: "1", New: "2"}, {Field: "status", Old: "active", New: "closed"}}},
		{"a String method", named{Name: "Acme", Status: "active"}, named{Name: "Acme", Status: "closed"}, []adminsessions.Change{{Field: "Status", Old: "active", New: "closed"}}},
		{"within", map[string]any{"a": named{Name: "Acme", Status: "active"}}, map[string]any{"a": &named{Name: "Acme", Status: "closed", Limit: &limit{1}}}, []adminsessions.Change{{Field: "a.Limit.CPU", New: "1"}, {Field: "a.Status", Old: "active", New: "closed"}}},
		{"a cookie", map[string]any{"c": http.Cookie{Name: "session", Value: "hunter2x"}}, map[string]any{"c": &http.Cookie{Name: "session", Value: "hunter3x"}}, []adminsessions.Change{{Field: "c", Old: "session=REDACTED", New: "session=REDACTED"}}},
		{"a network", []net.IPNet{{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)}}, []*net.IPNet{{IP: net.IPv4(10, 1, 0, 0), Mask: net.CIDRMask(16, 32)}}, []adminsessions.Change{{Field: "0", Old: "10.0.0.0/8", New: "10.1.0.0/16"}}},
		{"who signs in", struct{ As *url.Userinfo }{url.UserPassword("anna", "hunter2")}, struct{ As *url.Userinfo }{url.User("ghp")}, []adminsessions.Change{{Field: "As", Old: "REDACTED", New: "REDACTED"}}},
		{"an address", map[string]any{"hook": page("a=1")}, map[string]any{"hook": *page("a=2")}, []adminsessions.Change{{Field: "hook", Old: "https://REDACTED@panel.example?a=1", New: "https://REDACTED@panel.example?a=2"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := changes(t, [2]any{c.before, c.after}); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
