package viewer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
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

// holds is a Loki with events, at times in Unix nanoseconds, newest first.
func holds(events ...fakeEvent) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if strings.HasSuffix(r.URL.Path, "/query") {
			says(`{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"`+strconv.Itoa(len(events))+`"]}]}}`)(w, r)
			return
		}
		start, _ := strconv.ParseInt(q.Get("start"), 10, 64)
		end, _ := strconv.ParseInt(q.Get("end"), 10, 64)
		limit, _ := strconv.Atoi(q.Get("limit"))
		values := []any{}
		for _, e := range events {
			started := strings.Contains(q.Get("query"), `admin_request_stage="started"`)
			if e.nanos >= start && e.nanos < end && len(values) < limit && !started {
				values = append(values, []any{strconv.FormatInt(e.nanos, 10), e.line, map[string]any{"structuredMetadata": e.metadata}})
			}
		}
		answer, err := json.Marshal(map[string]any{"data": map[string]any{"resultType": "streams",
			"result": []any{map[string]any{"stream": map[string]string{"service_name": "panel"}, "values": values}}}})
		if err != nil {
			panic(err)
		}
		says(string(answer))(w, r)
	}
}

type fakeEvent struct {
	nanos    int64
	line     string
	metadata map[string]string
}

var testNow = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// eventAgo is an event of Anna's some time before testNow.
func eventAgo(d time.Duration, url string) fakeEvent {
	return fakeEvent{testNow.Add(-d).UnixNano(), "API GET " + url, map[string]string{
		adminsessions.LokiName(adminsessions.KeyUserFullName): "Anna Kowalska",
		adminsessions.LokiName(adminsessions.KeyURL):          url,
		adminsessions.LokiName(adminsessions.KeyStatusCode):   "200",
	}}
}

// newTestHandler is a page that anybody may see, at testNow.
func newTestHandler(t *testing.T, lokiURL string, change ...func(*Config)) *Handler {
	t.Helper()
	c := Config{LokiURL: lokiURL, Authorize: func(*http.Request) bool { return true }, Now: func() time.Time { return testNow }}
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
