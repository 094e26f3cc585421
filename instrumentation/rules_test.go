package instrumentation_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

func newPolicy(t testing.TB, rules ...instrumentation.PolicyRule) *instrumentation.Policy {
	t.Helper()
	p, err := instrumentation.NewPolicy(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var somePolicy = []instrumentation.PolicyRule{
	{Name: "secret area", Match: instrumentation.Routes("/assets/private/"), BodyHash: true},
	{Name: "assets", Match: instrumentation.Routes("GET /assets/"), CountOnly: true},
	{Name: "not modified", Statuses: []instrumentation.StatusRange{{First: 304, Last: 304}}, CountOnly: true},
	{Name: "probes of robots", Types: []adminsessions.Type{adminsessions.API}, Actors: []adminsessions.ActorType{"service"}, Statuses: []instrumentation.StatusRange{{First: 200, Last: 299}}, CountOnly: true},
	{Name: "clients", Match: instrumentation.Routes("POST /clients", "POST /api/clients"), FormFields: []string{"name"}, JSONFields: []string{"plan"}, Strict: true},
	{Name: "other writes", Match: instrumentation.Routes("POST /"), BodyHash: true},
}

func TestTheFirstRuleThatMatchesSaysHowARequestIsTreated(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		actor        adminsessions.ActorType
		body         string
		recorded     string // attributes, or "-" if there is no record
		stages       int
	}{
		{"GET", "/clients", 200, "", "", "", 1},
		{"GET", "/assets/logo.svg", 200, "", "", "-", 0},
		{"GET", "/assets/logo.svg", 500, "", "", "-", 0}, // decided before
		{"GET", "/assets/private/x", 200, "", "", "", 1},
		{"GET", "/assets/%70rivate/x", 200, "", "", "", 2}, // may be any
		{"GET", "/assets//logo.svg", 200, "", "", "", 2},
		{"POST", "/assets/private/x", 200, "", "q", "sha256", 1},
		{"GET", "/clients", 304, "", "", "-", 0},
		{"GET", "/clients", 305, "", "", "", 1},
		{"GET", "/api/clients", 200, "service", "", "-", 0},
		{"GET", "/api/clients", 404, "service", "", "", 1},
		{"GET", "/api/clients", 200, "user", "", "", 1},
		{"GET", "/api/clients", 200, "", "", "", 1},
		{"GET", "/clients", 200, "service", "", "", 1},
		{"POST", "/clients", 201, "", `{"plan":"S"}`, "plan", 2},
		{"POST", "/clients/", 201, "", `{"plan":"S"}`, "plan sha256", 2}, // either of two
		{"POST", "/clients", 304, "", `{"plan":"S"}`, "", 2},             // started: it must not stay open
		{"POST", "/other", 201, "", `{"plan":"S"}`, "sha256", 1},
	} {
		t.Run(fmt.Sprint(c.method, c.path, c.status, c.actor), func(t *testing.T) {
			var s sink
			h := newMiddleware(t, &s, instrumentation.WithPolicy(newPolicy(t, somePolicy...)))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if c.actor != "" {
					instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "7"})
					instrumentation.SetActor(r.Context(), adminsessions.Actor{Type: c.actor})
				}
				w.WriteHeader(c.status)
			}))
			r := httptest.NewRequest(c.method, c.path, nil)
			if c.body != "" {
				r = httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			}
			r.Header.Set("Content-Type", "text/x")
			h.ServeHTTP(httptest.NewRecorder(), r)
			events := s.Events()
			if len(events) != c.stages {
				t.Fatalf("%d records, want %d", len(events), c.stages)
			}
			if c.stages == 0 {
				return
			}
			var got []string
			for key := range attributes(events[len(events)-1]) {
				got = append(got, strings.TrimPrefix(key, "admin.body."))
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.recorded {
				t.Errorf("recorded %q, want %q", got, c.recorded)
			}
		})
	}
}

func TestWhatIsOnlyCountedIsCounted(t *testing.T) {
	var s sink
	counted := instrumentationmetrics.New()
	reg := prometheus.NewRegistry()
	reg.MustRegister(counted)
	h := newMiddleware(t, &s, instrumentation.WithPolicy(newPolicy(t, somePolicy...)), instrumentation.WithMetrics(counted))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			w.WriteHeader(http.StatusNotModified)
			panic("boom")
		}
		w.WriteHeader(http.StatusNotModified)
	}))
	for _, path := range []string{"/assets/a", "/a", "/b"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/panic", nil))
	}()
	if e := s.Only(t); e.ErrorType != "panic: string" {
		t.Errorf("recorded %q", e.Line())
	}
	want := `# HELP adminsessions_instrumentation_requests_filtered_total Requests left out of the record, by the filter that matched.
# TYPE adminsessions_instrumentation_requests_filtered_total counter
adminsessions_instrumentation_requests_filtered_total{filter="assets"} 1
adminsessions_instrumentation_requests_filtered_total{filter="not modified"} 2
adminsessions_instrumentation_requests_filtered_total{filter="probes of robots"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "adminsessions_instrumentation_requests_filtered_total"); err != nil {
		t.Error(err)
	}
}

func TestAPolicySaysWhatItWouldHaveAskedOfAnEvent(t *testing.T) {
	p := newPolicy(t, somePolicy...)
	for _, c := range []struct {
		event adminsessions.Event
		want  string
	}{
		{adminsessions.Event{Method: "GET", URL: "https://panel.example/assets/x", StatusCode: 200}, "[assets] true false"},
		{adminsessions.Event{Method: "GET", URL: "https://panel.example/assets/%2e%2e/x", StatusCode: 200}, "[secret area assets clients other writes] false true"},
		{adminsessions.Event{Method: "GET", URL: "/x", StatusCode: 304}, "[not modified] true false"},
		{adminsessions.Event{Method: "POST", URL: "/clients?x=REDACTED", StatusCode: 201}, "[clients] false true"},
		{adminsessions.Event{Method: "GET", URL: "/clients", StatusCode: 200}, "[] false false"},
		{adminsessions.Event{Method: "GET", URL: "%zz", StatusCode: 200}, "[secret area assets clients other writes] false true"},
	} {
		d := p.Of(&c.event)
		if got := fmt.Sprint(d.Rules, d.CountOnly, d.Strict); got != c.want {
			t.Errorf("%s: %s, want %s", c.event.URL, got, c.want)
		}
	}
}

// Rules about actors look away from nobody's requests, not from those of somebody
// whom nobody knows, nor from attempts to sign in.
func TestAnAttemptToSignInIsNeverLeftOutByWhoSendsIt(t *testing.T) {
	p := newPolicy(t, instrumentation.PolicyRule{Name: "strangers", Actors: []adminsessions.ActorType{instrumentation.ActorAnonymous}, CountOnly: true},
		instrumentation.PolicyRule{Name: "refused", Statuses: []instrumentation.StatusRange{{First: 401, Last: 401}}, CountOnly: true})
	for path, want := range map[string]int{"/": 0, "/failed": 1, "/unknown": 1, "/refused": 0} {
		var sink recordtest.Sink
		record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&sink), instrumentation.WithPolicy(p))
		if err != nil {
			t.Fatal(err)
		}
		h := record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/failed":
				instrumentation.SignIn(r.Context(), "anna@example.com", adminsessions.SignInFailure)
				w.WriteHeader(http.StatusUnauthorized)
			case "/unknown":
				instrumentation.Annotate(r.Context(), "", attribute.String("admin.who", "the panel has not said in time who it is"))
			case "/refused":
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		got := 0
		for _, e := range sink.Events() {
			if e.Type != adminsessions.Trail {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d on record, want %d", path, got, want)
		}
	}
}

// Whoever only reads is not asked for the reason of a deletion, however he writes
// his path; whoever may delete is.
func TestAReasonIsAskedForWhereTheMethodMayBeMeant(t *testing.T) {
	p := newPolicy(t, instrumentation.PolicyRule{Name: "deletions", Match: instrumentation.Routes("DELETE /clients/"), RequireReason: true})
	for request, want := range map[string]bool{
		"DELETE /clients/7": true, "DELETE /x/../clients/7": true, "DELETE /clients//7": true, "GET /clients/7?_method=DELETE": true, "GET /x//y?_method=DELETE": true,
		"GET /clients/7": false, "GET /clients//7": false, "GET /x/%2e%2e/clients/7": false, "HEAD //": false, "POST /x//y": false,
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := p.Before(httptest.NewRequest(method, target, nil)).RequireReason; got != want {
			t.Errorf("%s: %v, want %v", request, got, want)
		}
	}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	for want, r := range map[string]instrumentation.PolicyRule{
		"has no name":             {},
		"empty pattern":           {Name: "x", Match: instrumentation.Routes("")},
		`type "JOB"`:              {Name: "x", Types: []adminsessions.Type{"JOB"}},
		`actor "root"`:            {Name: "x", Actors: []adminsessions.ActorType{"root"}},
		"statuses 99 to 200":      {Name: "x", Statuses: []instrumentation.StatusRange{{First: 99, Last: 200}}},
		"statuses 300 to 200":     {Name: "x", Statuses: []instrumentation.StatusRange{{First: 300, Last: 200}}},
		"only counted":            {Name: "x", CountOnly: true, BodyHash: true},
		"decided before":          {Name: "x", Strict: true, Statuses: []instrumentation.StatusRange{{First: 200, Last: 200}}},
		"looks like a secret's":   {Name: "x", FormFields: []string{"password"}},
		`JSON fields: "a b"`:      {Name: "x", JSONFields: []string{"a b"}},
		"decided before it is ha": {Name: "x", Strict: true, Actors: []adminsessions.ActorType{"user"}},
	} {
		if _, err := instrumentation.NewPolicy(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	p := newPolicy(t, instrumentation.PolicyRule{Name: "x", Strict: true})
	if _, err := instrumentation.NewMiddleware(instrumentation.WithPolicy(p)); err == nil {
		t.Error("a strict rule needs a provider that can say whether a record is safe")
	}
}

// What the rules are is on record, with where they come from.
func TestThePolicysRulesAreOnRecord(t *testing.T) {
	var s sink
	p := newPolicy(t, somePolicy...)
	p.Source = "policy.yaml sha256:ab"
	newMiddleware(t, &s, instrumentation.WithPolicy(p))
	e := s.Policies()[0]
	attrs := attributes(e)
	if attrs["policy.rules_from"] != p.Source || !strings.Contains(attrs["policy.rules"], "assets: GET /assets/ only counted; not modified: statuses") {
		t.Errorf("recorded %s", e.Line())
	}
}
