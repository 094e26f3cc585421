package policy_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/gendoc"
	"github.com/adminsessions/adminsessions/policy"
	"github.com/adminsessions/adminsessions/policy/strictyaml"
)

var update = flag.Bool("update", false, "write the table of docs/policy.md anew")

func write(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const example = `
listen: 127.0.0.1:8080 # of the proxy, which is nobody's business here
policy:
  profile: quiet
  strict_timeout: 3s
  headers: [X-Team]
  trusted_proxies: {addresses: [10.0.0.5/32], hops: 1}
  redact:
    query: [badge]
    paths: ["/invite/{token}"]
  rules:
    - name: robots
      types: [API]
      actors: [service]
      status: [2xx, 304]
      record: count
    - name: clients
      paths: [/clients, "/clients/{id}"]
      methods: [POST, DELETE]
      form_fields: [name]
      json_fields: [plan.id]
      body_sha256: true
      strict: true
      reason_required: true
`

func TestAFileBecomesOptions(t *testing.T) {
	p, err := policy.Read(write(t, example))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		event adminsessions.Event
		want  string
	}{
		{adminsessions.Event{Method: "POST", URL: "/clients", StatusCode: 201}, "{[clients] false [name] [plan.id] true true true}"},
		{adminsessions.Event{Method: "DELETE", URL: "/clients/7", StatusCode: 500}, "{[clients] false [name] [plan.id] true true true}"},
		{adminsessions.Event{Method: "GET", URL: "/clients", StatusCode: 200}, "{[] false [] [] false false false}"},
		{adminsessions.Event{Method: "GET", URL: "/static/x.css", StatusCode: 200}, "{[assets] true [] [] false false false}"},
		{adminsessions.Event{Method: "GET", URL: "/api/x", Type: adminsessions.API, StatusCode: 299, Actor: adminsessions.Actor{Type: "service"}}, "{[robots] true [] [] false false false}"},
		{adminsessions.Event{Method: "GET", URL: "/api/x", Type: adminsessions.API, StatusCode: 300, Actor: adminsessions.Actor{Type: "service"}}, "{[] false [] [] false false false}"},
	} {
		if got := fmt.Sprint(p.Rules.Of(&c.event)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.event.Method, c.event.URL, got, c.want)
		}
	}
}

// What is written in the file is what the middleware does.
func TestAPanelReadsTheFile(t *testing.T) {
	opts, err := policy.Load(write(t, "policy: {headers: [X-Team], redact: {query: [badge]}, rules: [{name: pings, paths: [/ping], record: count}]}"))
	if err != nil {
		t.Fatal(err)
	}
	var s sink
	mw, err := instrumentation.NewMiddleware(append(opts, instrumentation.WithLoggerProvider(&s))...)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.events) != 1 || !strings.Contains(s.events[0].Note, "rules: pings: /ping only counted") { // the policy itself is on record
		t.Fatalf("recorded %+v", s.events)
	}
	s.events = nil
	h := mw(http.NotFoundHandler())
	for _, path := range []string{"/ping", "/other?badge=77"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("X-Team", "blue")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(s.events) != 1 || s.events[0].URL != "http://example.com/other?badge=REDACTED" || s.events[0].Attributes[0].Value.AsString() != "blue" {
		t.Errorf("recorded %+v", s.events)
	}
}

func TestEachFaultIsNamedByItsLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "it has no section policy"},
		{"polcy:\n  rules: []", "it has no section policy"},
		{"policy: [", ":1: "},
		{"policy:\n  rulez: []", ":2: policy.rulez: no such key: want one of profile, rules"},
		{"policy:\n  rules:\n  - name: x\n    pathes: []", ":4: policy.rules[0].pathes: no such key"},
		{"policy:\n  profile: quiet\n  profile: quiet", "line 2"},
		{"policy:\n  profile: loud", `:2: policy.profile: "loud": want everything, quiet`},
		{"policy:\n  rules:\n  - name: x\n  - paths: [x]", ":4: policy.rules[1]: policy rule"},
		{"policy:\n  rules:\n  - name: x\n    status: [abc]", `status "abc"`},
		{"policy:\n  rules:\n  - name: x\n    record: nothing", `record "nothing": want line or count`},
		{"policy:\n  rules:\n  - name: x\n    methods: [post]", `method "post"`},
		{"policy:\n  rules:\n  - name: x\n    methods: [POST]\n    paths: [GET /x]", "names a method"},
		{"policy:\n  rules:\n  - {name: x}\n  - {name: x}", ":4: policy.rules[1]: a second rule"},
		{"policy:\n  strict_timeout: soon", ":2: can't read `soon` into a duration such as 2s"},
		{"policy:\n  strict_timeout: -1s", ":2: policy.strict_timeout: -1s: want more than 0"},
		{"policy:\n  headers: [Cookie]", ":2: policy.headers: Cookie carries a secret"},
		{"policy:\n  trusted_proxies: {hops: 2}", "nobody would be believed"},
		{"policy:\n  trusted_proxies: {addresses: [10.0.0.300/32]}", ":2: "},
		{"policy: {}\n---\npolicy: {}", "a second document begins"},
		{"policy:\n  <<: {profile: quiet}", "merge keys"},
	} {
		_, err := policy.Load(write(t, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	if _, err := policy.Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file is no error")
	}
}

// docs/policy.md names every key.
func TestDocumentedKeys(t *testing.T) {
	gendoc.Check(t, "../docs/policy.md", *update, func(string) string {
		table, err := strictyaml.Table(policy.Config{})
		if err != nil {
			t.Error(err)
		}
		return table
	})
}

func FuzzLoad(f *testing.F) {
	f.Add(example)
	f.Add("policy: &a {rules: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := strictyaml.Parse("x", []byte(text))
		if err != nil {
			return
		}
		var c struct {
			Policy policy.Config `yaml:"policy"`
		}
		if doc.Decode(&c) == nil {
			_, _ = c.Policy.Build(doc, "policy")
		}
	})
}
