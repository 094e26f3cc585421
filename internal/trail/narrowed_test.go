package trail

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lokiOfLines answers as a Loki does that has events and lines at certain times,
// and says that it has read a certain number for each answer.
type lokiOfLines struct {
	events, lines []int64 // Unix nanoseconds, the newest first
	read          func(lines bool) int

	asked []question
}

type question struct {
	lines bool
	span
}

func (l *lokiOfLines) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	number := func(name string) int64 {
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	asked := question{strings.HasPrefix(q.Get("query"), "{audit_lines_of="), span{number("start"), number("end")}}
	l.asked = append(l.asked, asked)
	times := l.events
	if asked.lines {
		times = l.lines
	}
	values := []any{}
	for _, at := range times {
		if at >= asked.from && at < asked.to && len(values) < int(number("limit")) {
			values = append(values, []any{strconv.FormatInt(at, 10), "a line"})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"resultType": "streams",
		"result": []any{map[string]any{"stream": map[string]string{}, "values": values}},
		"stats":  map[string]any{"summary": map[string]int{"totalLinesProcessed": l.read(asked.lines)}}}})
}

// TestNarrowed is what a walk asks for in its wide slices.
func TestNarrowed(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixNano() }
	// After slices of 1 and 4 hours comes one of 16, the first wide one.
	slice := span{ago(21 * time.Hour), ago(5 * time.Hour)}
	hours := func(hours ...int) (times []int64) {
		for _, h := range hours {
			times = append(times, ago(time.Duration(h)*time.Hour))
		}
		return times
	}
	at := func(hour int) span { return span{hours(hour)[0], hours(hour)[0] + 1} }
	many := slices.Repeat(hours(7), maxLines)
	// In the slice are 8 times as many events as are worth a query: what is up
	// to two hours apart is read in one.
	dense := func(lines bool) int {
		if lines {
			return 8 * spanCost
		}
		return 1000
	}
	for name, test := range map[string]struct {
		lines []int64
		read  func(lines bool) int
		want  []question // in the slice
	}{
		"no line": {nil, dense, []question{{true, slice}}},
		"some lines": {hours(7, 9, 10, 13, 20), dense,
			[]question{{true, slice}, {false, span{at(10).from, at(7).to}}, {false, at(13)}, {false, at(20)}}},
		"few events": {hours(7, 9, 10, 13, 20), func(bool) int { return 10 },
			[]question{{true, slice}, {false, span{at(20).from, at(7).to}}}},
		"a Loki that counts nothing": {hours(7, 20), func(bool) int { return 0 },
			[]question{{true, slice}, {false, span{at(20).from, at(7).to}}}},
		"too many lines": {many, dense, []question{{true, slice}, {false, slice}}},
		"dearer than it looked": {hours(7, 10, 13, 16, 20), func(lines bool) int { return dense(true) - dense(false)/1000 },
			[]question{{true, slice}, {false, at(7)}, {false, at(10)}, {false, span{at(20).from, at(13).to}}}},
	} {
		t.Run(name, func(t *testing.T) {
			loki := &lokiOfLines{lines: test.lines, read: test.read}
			server := httptest.NewServer(loki)
			defer server.Close()
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			s := &Store{Client: &Client{URL: u, HTTP: server.Client()}, LinesSince: now.Add(-24 * time.Hour)}
			var done []float64
			walk := Walk{Filter: Filter{Search: "x"}, Window: Window{now.Add(-21 * time.Hour), now}, Batch: 10,
				Progress: func(part float64, _ Cursor) { done = append(done, part) }}
			for e, err := range s.Walk(t.Context(), walk) {
				t.Errorf("event %v, %v; there are none", e, err)
			}
			want := append([]question{{false, span{ago(time.Hour), ago(0)}}, {false, span{ago(5 * time.Hour), ago(time.Hour)}}}, test.want...)
			if !slices.Equal(loki.asked, want) {
				t.Errorf("asked\n%v, want\n%v", loki.asked, want)
			}
			if !slices.IsSorted(done) || len(done) < 3 || done[len(done)-1] != 1 {
				t.Errorf("progress %v", done)
			}
		})
	}
}

// TestCrowded has more lines than are of use: the walk asks for them once.
func TestCrowded(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	loki := &lokiOfLines{lines: slices.Repeat([]int64{now.Add(-6 * time.Hour).UnixNano()}, maxLines), read: func(bool) int { return 1 }}
	server := httptest.NewServer(loki)
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Client: &Client{URL: u, HTTP: server.Client()}, LinesSince: now.Add(-90 * day)}
	walk := Walk{Filter: Filter{Search: "x"}, Window: Window{now.Add(-30 * day), now}, Batch: 10}
	for range 2 { // each walk anew
		loki.asked = nil
		for e, err := range s.Walk(t.Context(), walk) {
			t.Errorf("event %v, %v; there are none", e, err)
		}
		lines := 0
		for _, q := range loki.asked {
			if q.lines {
				lines++
			}
		}
		if lines != 1 || len(loki.asked) != 12 {
			t.Errorf("asked %d times for lines, %d in all; want 1 and 12", lines, len(loki.asked))
		}
	}
}

// TestLinesFail has a Loki that fails when it is asked for lines: the walk ends
// with the error, and can go on from where it was.
func TestLinesFail(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	loki := &lokiOfLines{events: []int64{now.Add(-time.Minute).UnixNano()}, read: func(bool) int { return 1 }}
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("query"), "audit_lines_of=~") {
			cancel()
			<-r.Context().Done()
			return
		}
		loki.ServeHTTP(w, r)
	}))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Client: &Client{URL: u, HTTP: server.Client()}, LinesSince: now.Add(-24 * time.Hour)}
	var place Cursor
	var found int
	var failure error
	for _, err := range s.Walk(ctx, Walk{Filter: Filter{Search: "x"}, Window: Window{now.Add(-21 * time.Hour), now}, Batch: 10,
		Progress: func(_ float64, at Cursor) { place = at }}) {
		if failure = err; err == nil {
			found++
		}
	}
	if want := (Cursor{Nanos: now.Add(-5 * time.Hour).UnixNano()}); found != 1 || failure == nil || place != want {
		t.Errorf("%d events, then %v at %v; want 1, a failure, and %v", found, failure, place, want)
	}
}
