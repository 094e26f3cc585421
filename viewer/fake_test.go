package viewer

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// fakeLoki answers as a test wants it to: it stands for the faults of a real
// one, which the end-to-end tests run.
type fakeLoki struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	queries []*http.Request
	answer  http.HandlerFunc
}

func newFakeLoki(t *testing.T, answer http.HandlerFunc) *fakeLoki {
	f := &fakeLoki{t: t, answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.queries = append(f.queries, r)
		answer := f.answer
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeLoki) become(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// asked is how many queries there were.
func (f *fakeLoki) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queries)
}

// fails is a Loki that answers everything with an error.
func fails(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }
}

// says is a Loki that answers everything with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text) // who asked may have gone
	}
}

// hangs is a Loki that never answers.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// holds is a Loki with events, newest first, that can tell what has started from
// what has ended, and nothing else.
func holds(events ...adminsessions.Event) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		isStarted := func(e *adminsessions.Event) bool { return e.Stage == adminsessions.Started }
		if strings.HasSuffix(r.URL.Path, "/query") {
			ended := 0
			for i := range events {
				if !isStarted(&events[i]) {
					ended++
				}
			}
			says(`{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"`+strconv.Itoa(ended)+`"]}]}}`)(w, r)
			return
		}
		if !strings.HasSuffix(r.URL.Path, "/query_range") {
			says(`{"data":[]}`)(w, r)
			return
		}
		start, _ := strconv.ParseInt(q.Get("start"), 10, 64)
		end, _ := strconv.ParseInt(q.Get("end"), 10, 64)
		limit, _ := strconv.Atoi(q.Get("limit"))
		values := []any{}
		for i := range events {
			e := &events[i]
			at := e.Time.UnixNano()
			if at < start || at >= end || len(values) == limit ||
				strings.Contains(q.Get("query"), `p_status="started"`) && !isStarted(e) ||
				strings.Contains(q.Get("query"), `p_status!="started"`) && isStarted(e) {
				continue
			}
			values = append(values, []any{strconv.FormatInt(at, 10), e.Line()})
		}
		if q.Get("direction") == "forward" {
			slices.Reverse(values)
		}
		says(streams(values))(w, r)
	}
}

// holdsLines is a Loki with lines, one a second before testNow.
func holdsLines(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/query_range") {
			holds()(w, r)
			return
		}
		q := r.URL.Query()
		start, _ := strconv.ParseInt(q.Get("start"), 10, 64)
		end, _ := strconv.ParseInt(q.Get("end"), 10, 64)
		values := []any{}
		for i, line := range lines {
			if at := testNow.Add(-time.Duration(i+1) * time.Second).UnixNano(); at >= start && at < end && !strings.Contains(q.Get("query"), "started") {
				values = append(values, []any{strconv.FormatInt(at, 10), line})
			}
		}
		says(streams(values))(w, r)
	}
}

// streams is an answer with one stream.
func streams(values []any) string {
	answer, err := json.Marshal(map[string]any{"data": map[string]any{"resultType": "streams",
		"result": []any{map[string]any{"stream": map[string]string{"service_name": "panel"}, "values": values}}}})
	if err != nil {
		panic(err)
	}
	return string(answer)
}

var testNow = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// eventAgo is an event of Anna's some time before testNow.
func eventAgo(d time.Duration, url string, change ...func(*adminsessions.Event)) adminsessions.Event {
	e := adminsessions.Event{Time: testNow.Add(-d), Type: adminsessions.API, Method: http.MethodGet, URL: url, StatusCode: 200,
		User: adminsessions.User{ID: "1", FullName: "Anna Kowalska"}, RequestID: "r" + strconv.Itoa(int(d))}
	for _, f := range change {
		f(&e)
	}
	return e
}

// newTestHandler is a page that anybody may see, at testNow.
func newTestHandler(t *testing.T, lokiURL string, change ...func(*Config)) *Handler {
	t.Helper()
	c := Config{Loki: adminsessions.Loki{URL: lokiURL}, Logger: slog.New(slog.DiscardHandler),
		Authorize: func(*http.Request) Scope { return Scope{All: true} }, Now: func() time.Time { return testNow }}
	for _, f := range change {
		f(&c)
	}
	h, err := NewHandler(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// get asks the handler.
func get(t *testing.T, h http.Handler, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// withHeader sets a header of a request.
func withHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}
