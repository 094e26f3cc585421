package instrumentation_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

// TestSessionHashIsTheOneOfTheTrail makes of a session what its requests are
// recorded with.
func TestSessionHashIsTheOneOfTheTrail(t *testing.T) {
	key := []byte("a key of the application's alone")
	for _, id := range []string{"s3cret", "", "ż\x00 \xff"} {
		sink := &recordtest.Sink{}
		middleware, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(sink),
			instrumentation.WithSessionID(func(*http.Request) string { return id }, key))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/", http.NoBody)
		middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		want := instrumentation.SessionHash(key, id)
		if id == "" {
			want = "" // no session
		}
		if events := sink.Events(); len(events) != 1 || events[0].SessionID != want {
			t.Errorf("%q: recorded %+v, want the session %q", id, events, want)
		}
	}
	if a, b := instrumentation.SessionHash(key, "a"), instrumentation.SessionHash([]byte("another key of the application's"), "a"); a == b || len(a) != 32 {
		t.Errorf("the hashes %s and %s by two keys", a, b)
	}
}
