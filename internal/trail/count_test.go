package trail

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// TestCountDayByDay counts over a window and looks at what Loki is asked.
func TestCountDayByDay(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	broken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasSuffix(r.URL.Path, "/query") {
			fmt.Fprint(w, `{"data":[]}`) // no logs
			return
		}
		q := r.URL.Query()
		asked = append(asked, q.Get("time")+" "+q.Get("query"))
		if broken && len(asked) == 2 {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"10"]}]}}`)
	}))
	defer server.Close()
	client, err := loki.New(adminsessions.Loki{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	s := New(client, Config{Now: func() time.Time { return now }}).Within(Scope{All: true})
	w := Window{now.Add(-60 * time.Hour), now} // May 2, May 3, and May 4 until noon
	question := func(end time.Time, length time.Duration) string {
		return fmt.Sprintf("%d %s", end.UnixNano()-1, countQL(s.expression(Filter{}, ended).metric(), length))
	}
	may := func(day int) time.Time { return time.Date(2026, 5, day, 0, 0, 0, 0, time.UTC) }
	days := []string{question(may(3), day), question(may(4), day), question(now, 12*time.Hour)}
	for _, want := range [][]string{days, days[2:]} { // the second time past days are known
		asked = nil
		n, err := s.Count(t.Context(), Filter{}, w)
		if n != (Count{N: 30}) || err != nil {
			t.Errorf("%+v, %v; want 30", n, err)
		}
		if !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
	}

	// A count that breaks goes on where it was, and old counts are made anew.
	now = now.Add(dayTTL)
	broken, asked = true, nil
	if _, err := s.Count(t.Context(), Filter{}, w); err == nil || len(asked) != 2 {
		t.Errorf("asked %d times, %v; want a failure of the second", len(asked), err)
	}
	broken, asked = false, nil
	if n, err := s.Count(t.Context(), Filter{}, w); n.N != 30 || err != nil || !slices.Equal(asked, days[1:]) {
		t.Errorf("%+v, %v, asked %q, want %q", n, err, asked, days[1:])
	}
}

// TestEndsMatchStarts has the end of a request end that request and no other.
func TestEndsMatchStarts(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	record := func(log, id string, at time.Time, stage adminsessions.Stage) Event {
		return Event{Event: adminsessions.Event{RequestID: id, Time: at, Stage: stage}, Labels: map[string]string{labelLog: log}}
	}
	start := record("a", "1", at, adminsessions.Started)
	for name, test := range map[string]struct {
		events []Event
		closed int
	}{
		"its end":            {[]Event{record("a", "1", at, adminsessions.Complete)}, 1},
		"a clock's rounding": {[]Event{record("a", "1", at.Add(900*time.Microsecond), adminsessions.Complete)}, 1},
		"another log":        {[]Event{record("b", "1", at, adminsessions.Complete)}, 0},
		"another id":         {[]Event{record("a", "2", at, adminsessions.Complete)}, 0},
		"another time":       {[]Event{record("a", "1", at.Add(time.Second), adminsessions.Complete)}, 0},
		"a start":            {[]Event{record("a", "1", at, adminsessions.Started)}, 0},
		"unreadable":         {[]Event{{Unreadable: true, Event: adminsessions.Event{RequestID: "1", Time: at}, Labels: start.Labels}}, 0},
		"two ends":           {[]Event{record("a", "1", at, adminsessions.Complete), record("a", "1", at, adminsessions.Complete)}, 1},
	} {
		open := map[endKey]bool{start.endKey(): true}
		if closed := matched(open, test.events); len(closed) != test.closed || len(open) != 1-test.closed {
			t.Errorf("%s: %d closed, want %d", name, len(closed), test.closed)
		}
	}
	// One end for one of two requests of the same id.
	other := record("a", "1", at.Add(time.Microsecond), adminsessions.Started)
	open := map[endKey]bool{start.endKey(): true, other.endKey(): true}
	if closed := matched(open, []Event{record("a", "1", at, adminsessions.Complete)}); len(closed) != 1 {
		t.Errorf("one end ended %d requests", len(closed))
	}
}
