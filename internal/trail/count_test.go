package trail

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestCountDayByDay counts over a window and looks at what Loki is asked.
func TestCountDayByDay(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	broken := false
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		q := r.URL.Query()
		asked = append(asked, q.Get("time")+" "+q.Get("query"))
		if broken && len(asked) == 2 {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"10"]}]}}`)
	}))
	defer loki.Close()
	u, err := url.Parse(loki.URL)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	c := NewCounter(&Store{Client: &Client{URL: u, HTTP: loki.Client()}}, func() time.Time { return now })
	w := Window{now.Add(-60 * time.Hour), now} // May 2, May 3, and May 4 until noon
	question := func(end time.Time, length time.Duration) string {
		return fmt.Sprintf("%d %s", end.UnixNano()-1, countQL(logQL(Scope{}, Filter{}), length))
	}
	may := func(day int) time.Time { return time.Date(2026, 5, day, 0, 0, 0, 0, time.UTC) }
	days := []string{question(may(3), day), question(may(4), day), question(now, 12*time.Hour)}
	for _, want := range [][]string{days, days[2:]} { // the second time past days are known
		asked = nil
		n, err := c.Count(t.Context(), Filter{}, w)
		if n != 30 || err != nil {
			t.Errorf("%d, %v; want 30", n, err)
		}
		if !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
	}

	// A count that breaks goes on where it was, and old counts are made anew.
	now = now.Add(dayHolds)
	broken, asked = true, nil
	if _, err := c.Count(t.Context(), Filter{}, w); err == nil || len(asked) != 2 {
		t.Errorf("asked %d times, %v; want a failure of the second", len(asked), err)
	}
	broken, asked = false, nil
	if n, err := c.Count(t.Context(), Filter{}, w); n != 30 || err != nil || !slices.Equal(asked, days[1:]) {
		t.Errorf("%d, %v, asked %q, want %q", n, err, asked, days[1:])
	}
}

// TestCountByLines counts what is searched for: by lines where they are there
// and tell everything.
func TestCountByLines(t *testing.T) {
	var asked []string
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("query"))
		fmt.Fprint(w, `{"data":{"resultType":"vector","result":[]}}`)
	}))
	defer loki.Close()
	u, err := url.Parse(loki.URL)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	s := &Store{Client: &Client{URL: u, HTTP: loki.Client()}, LinesSince: now.Add(-30 * time.Hour)}
	search := Filter{Search: "x", Methods: []string{"PUT"}}
	lines, _ := exactLinesQL(Scope{}, search)
	for name, test := range map[string]struct {
		filter Filter
		want   []string // of three days; lines begin in the second
	}{
		"a search":       {search, []string{logQL(Scope{}, search), logQL(Scope{}, search), lines}},
		"more than that": {Filter{Search: "x", User: "y"}, slices.Repeat([]string{logQL(Scope{}, Filter{Search: "x", User: "y"})}, 3)},
		"no search":      {Filter{}, slices.Repeat([]string{logQL(Scope{}, Filter{})}, 3)},
	} {
		asked = nil
		c := NewCounter(s, func() time.Time { return now })
		if _, err := c.Count(t.Context(), test.filter, Window{now.Add(-3 * day), now}); err != nil {
			t.Fatal(err)
		}
		for i := range test.want {
			test.want[i] = countQL(test.want[i], day)
		}
		if !slices.Equal(asked, test.want) {
			t.Errorf("%s: asked %q, want %q", name, asked, test.want)
		}
	}
}
