package viewer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

const prefix = "/admin/monitoring/admin-sessions/"

var (
	anna = adminsessions.User{ID: "1", FullName: "Anna Kowalska", Email: "anna@example.com"}
	ben  = adminsessions.User{ID: "2", FullName: "Ben Carter", Email: "ben@example.com"}
	lena = adminsessions.User{ID: "3", FullName: "Łena Żółć", Email: "lena@example.com"}
)

// panel is a panel that mounts the page: whoever sends the cookie "admin" may
// see it and is Anna.
type panel struct {
	*httptest.Server
	loki    *lokitest.Server
	handler *viewer.Handler

	mu    sync.Mutex
	notes []string
}

func newPanel(t testing.TB, loki *lokitest.Server, change ...func(*viewer.Config)) *panel {
	t.Helper()
	p := &panel{loki: loki}
	config := viewer.Config{
		Prefix: prefix,
		Loki:   adminsessions.Loki{URL: loki.URL()},
		Authorize: func(r *http.Request) viewer.Scope {
			_, err := r.Cookie("admin")
			return viewer.Scope{All: err == nil}
		},
		SignedIn: func(*http.Request) adminsessions.User { return anna },
		Accessed: func(_ context.Context, note string) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.notes = append(p.notes, note)
		},
		Breadcrumbs: []viewer.Link{{Text: "Dashboard", URL: "/admin/"}, {Text: "Monitoring", URL: "/admin/"}},
	}
	for _, f := range change {
		f(&config)
	}
	page, err := viewer.NewHandler(config)
	if err != nil {
		t.Fatal(err)
	}
	p.handler = page
	mux := http.NewServeMux()
	mux.Handle(prefix, page)
	mux.Handle("/admin/api/admin_session_logs", page.API())
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// get asks the panel as Anna.
func (p *panel) get(ctx context.Context, pathAndQuery string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+pathAndQuery, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.AddCookie(&http.Cookie{Name: "admin", Value: "anna"})
	return p.Client().Do(req)
}

// apiEvent and apiPage are what the JSON API answers, as its documentation says.
type apiEvent struct {
	Time   time.Time         `json:"time"`
	Cursor string            `json:"cursor"`
	Line   string            `json:"line"`
	Fields map[string]string `json:"fields"`
	Labels map[string]string `json:"labels"`
}

type apiPage struct {
	Events       []apiEvent `json:"events"`
	InProgress   []apiEvent `json:"in_progress"`
	Next         string     `json:"next"`
	SortedNewest int        `json:"sorted_newest"`
	Count        int        `json:"count"`
	AtLeast      bool       `json:"at_least"`
	AtMost       bool       `json:"at_most"`
	Kind         string     `json:"kind"`
	Detail       string     `json:"detail"`
}

// api asks the JSON API and returns its answer with the status.
func (p *panel) api(ctx context.Context, endpoint string, q url.Values) (apiPage, int, error) {
	resp, err := p.get(ctx, prefix+"api/"+endpoint+"?"+q.Encode())
	if err != nil {
		return apiPage{}, 0, err
	}
	defer resp.Body.Close()
	var page apiPage
	err = json.NewDecoder(resp.Body).Decode(&page)
	return page, resp.StatusCode, err
}

// events is what the API has for q, all pages of it.
func (p *panel) events(t testing.TB, q url.Values) []apiEvent {
	t.Helper()
	var events []apiEvent
	for {
		page, status, err := p.api(t.Context(), "events", q)
		if err != nil || status != http.StatusOK {
			t.Fatalf("api/events?%s: status %d: %s %v", q.Encode(), status, page.Detail, err)
		}
		events = append(events, page.Events...)
		if page.Next == "" {
			return events
		}
		if q, err = url.ParseQuery(strings.TrimPrefix(page.Next, "?")); err != nil {
			t.Fatal(err)
		}
	}
}

// event is a request of an administrator, to change as a test needs.
func event(at time.Time, n int, change ...func(*adminsessions.Event)) adminsessions.Event {
	e := adminsessions.Event{
		Time: at, Stage: adminsessions.Complete,
		RequestID: fmt.Sprintf("%016x", n), Type: adminsessions.API, User: anna,
		ClientAddress: netip.MustParseAddr("10.2.3.4"), Method: http.MethodGet,
		URL:   "https://panel.example/admin/api/clients/" + strconv.Itoa(n),
		Route: "/admin/api/clients/{uuid}", StatusCode: 200, Duration: time.Duration(n%900+1) * time.Millisecond,
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		SessionID: "c0ffee", TraceID: trace.TraceID{1, 2, 3, byte(n)}, SpanID: trace.SpanID{4, byte(n)},
		Sequence: uint64(n) + 1,
	}
	for _, f := range change {
		f(&e)
	}
	return e
}

// stream is what Loki holds of events that the panel's instance recorded.
func stream(instance string, events ...adminsessions.Event) lokitest.Stream {
	s := lokitest.Stream{Labels: map[string]string{
		"service_name":                "panel",
		"deployment_environment_name": "production",
		"service_instance_id":         instance,
		"audit_log_id":                fmt.Sprintf("%x", sha256.Sum256([]byte(instance)))[:16],
	}}
	for i := range events {
		s.Entries = append(s.Entries, entry(&events[i]))
	}
	return s
}

// entry is an event as the exporter stores it.
func entry(e *adminsessions.Event) lokitest.Entry {
	return lokitest.Entry{Time: e.Time, Line: string(adminsessions.AppendSequence(e.AppendLine(nil), e.Sequence, time.Time{}))}
}

func push(t testing.TB, loki *lokitest.Server, streams ...lokitest.Stream) {
	t.Helper()
	if err := loki.Push(t.Context(), streams...); err != nil {
		t.Fatal(err)
	}
}

// query makes a URL's query of pairs.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q
}

// identity is what makes an event one and not another.
func identity(e apiEvent) string {
	return e.Fields["request"]
}

// counted is how often each event is among events.
func counted(events []apiEvent) map[string]int {
	n := make(map[string]int, len(events))
	for _, e := range events {
		n[identity(e)]++
	}
	return n
}
