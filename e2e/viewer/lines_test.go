package viewer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"


	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

// TestSearchByLines asks two pages over the same trail, of which one uses the
// lines that are there for most of it, and gets the same from both.
func TestSearchByLines(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now().Truncate(time.Second)
	start, since := now.Add(-96*time.Hour), now.Add(-80*time.Hour)
	complete := pushMixed(t, loki, start, since, now)
	if err := loki.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	direct := newPanel(t, loki)
	asked := &questions{}
	byLines := newPanel(t, loki, func(c *viewer.Config) {
		c.LinesSince = since
		c.HTTPClient = &http.Client{Transport: asked}
	})
	window := []string{"from", start.UTC().Format(time.RFC3339), "to", now.UTC().Format(time.RFC3339)}

	searches := []string{"rare", "clients", "RARE", "panel.example", "Żółć", "łENA", "роман", "İstanbul", "`", `"q" \\ `, `.*`, `{}|~`, "started",
		"10.2.3.4", "2001:db8", "PURGE", "tick", "nothing has this", "sign-in failure"}
	filters := [][]string{
		{}, {"type", "web"}, {"type", "web", "type", "api"}, {"method", "GET"}, {"method", "POST", "method", "DELETE"}, {"status", "4xx"}, {"status", "1xx", "status", "5xx"},
		{"type", "api", "method", "PUT", "status", "2xx"}, {"admin", anna.Email}, {"admin", ben.ID}, {"ip", "10.2.3.4"}, {"ip", "2001:db8::17"}, {"ip", "fe80::1%a b"},
		{"ip", "192.0.2.17", "type", "web"}, {"session", "c0ffee"}, {"hide", "me"}, {"admin", lena.Email, "method", "GET", "hide", "me"},
	}
	results := 0
	for i, search := range searches {
		for j, filter := range filters {
			if (i+j)%11 != 0 && i > 1 && j > 0 {
				continue // some of the pairs, each search and each filter among them
			}
			t.Run(search+" "+strings.Join(filter, " "), func(t *testing.T) {
				q := query(slices.Concat(window, filter, []string{"q", search})...)
				n := direct.count(t, q)
				if got := byLines.count(t, q); got != n {
					t.Errorf("counted %d by lines, %d without", got, n)
				}
				if n > 150 {
					return
				}
				if n > 0 {
					results++
				}
				for _, order := range []string{"-time", "time"} {
					q.Set("sort", order)
					want := direct.export(t, q)
					compare(t, order, byLines.export(t, q), want)
					if len(want) != n {
						t.Errorf("%d events, but counted %d", len(want), n)
					}
				}
				q.Set("sort", "url")
				compare(t, "by URL", byLines.events(t, q), direct.events(t, q))
			})
		}
	}
	if results < 20 {
		t.Errorf("%d searches found something; that shows little", results)
	}
	if n := byLines.count(t, query(window...)); n != complete {
		t.Errorf("%d events without a search, want %d", n, complete)
	}
	if n := asked.count(`{audit_lines_of=~`); n == 0 {
		t.Error("the lines have not been used")
	}
}

// pushMixed pushes events of many kinds into a new Loki, all since a time with
// their lines, and returns how many of them are of finished requests.
func pushMixed(t *testing.T, loki *lokitest.Server, start, since, now time.Time) (complete int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	odd := []func(e *adminsessions.Event){
		func(e *adminsessions.Event) { e.Note = "rare thing" },
		func(e *adminsessions.Event) { e.User.FullName = "Роман Żółć" },
		func(e *adminsessions.Event) { e.User.FullName = "xİstanbul y" },
		func(e *adminsessions.Event) { e.URL += "?a=`b`&c={}|~&d=.*" },
		func(e *adminsessions.Event) { e.Note = `rare "q" \ from 10.2.3.4 started` },
		func(e *adminsessions.Event) { e.Method, e.SentMethod = "_OTHER", "PURGE" },
		func(e *adminsessions.Event) { e.Target = ben },
		func(e *adminsessions.Event) { e.ClientAddress = netip.Addr{} },
		func(e *adminsessions.Event) { e.ClientAddress = netip.MustParseAddr("fe80::1%a b") },
		func(e *adminsessions.Event) { e.User = adminsessions.User{ID: "2"} },
		func(e *adminsessions.Event) { e.Type = "" },
		func(e *adminsessions.Event) { e.StatusCode = 101 },
		func(e *adminsessions.Event) { e.Stage, e.StatusCode, e.Note = adminsessions.Started, 0, "rare" },
		func(e *adminsessions.Event) { e.Stage, e.StatusCode = adminsessions.Started, 101 },
		func(e *adminsessions.Event) { e.StatusCode = 0 },
	}
	// So many that what is a day apart is read apart.
	const total, batch = 10_000, 1000
	length := now.Sub(start)
	for i := range total / batch {
		span := length / (total / batch)
		events := traffic(uint64(i), start.Add(time.Duration(i+1)*span), span, batch)
		// At one nanosecond, on both instances.
		for j := 700; j < 730; j++ {
			events[j].Time = events[700].Time
			events[j].URL = fmt.Sprintf("https://panel.example/tick/%d/%d", i, j)
		}
		for range 20 {
			odd[rnd.IntN(len(odd))](&events[rnd.IntN(batch)])
		}
		byInstance := make([][]adminsessions.Event, 2)
		withLine := make([][]adminsessions.Event, 2)
		for j, e := range events {
			if e.Stage == adminsessions.Complete {
				complete++
			}
			byInstance[j%2] = append(byInstance[j%2], e)
			if !e.Time.Before(since) {
				withLine[j%2] = append(withLine[j%2], e)
			}
		}
		for instance := range 2 {
			name := "instance-" + strconv.Itoa(instance)
			push(t, loki, stream(name, byInstance[instance]...))
			if len(withLine[instance]) > 0 {
				push(t, loki, stream(name, withLine[instance]...).Lines())
			}
		}
	}
	return complete
}

// TestWhatLinesDecide has an event without a line, which a search by lines does
// not find, and a line without an event, which is no event.
func TestWhatLinesDecide(t *testing.T) {
	loki := lokitest.Start(t)
	since := time.Now().Add(-10 * 24 * time.Hour)
	p := newPanel(t, loki, func(c *viewer.Config) { c.LinesSince = since })
	has := stream("one", event(since.Add(2*time.Hour), 1), event(since.Add(100*time.Hour), 2), event(time.Now().Add(-time.Hour), 3))
	hasNot := stream("two", event(since.Add(-time.Hour), 4), event(since.Add(200*time.Hour), 5), event(time.Now().Add(-time.Hour), 6))
	push(t, loki, append(withLines(has), hasNot, stream("three", event(since.Add(4*time.Hour), 7)).Lines())...)
	q := query("q", "panel.example", "range", "30d")
	got := counted(p.events(t, q))
	for i, want := range []int{0, 1, 1, 1, 1, 0, 1, 0} { // 6 is so new that events are searched, 4 is before the lines
		if id := event(since, i).RequestID; got[id] != want {
			t.Errorf("event %d came %d times, want %d", i, got[id], want)
		}
	}
	if q.Del("q"); len(p.events(t, q)) != 6 {
		t.Errorf("without a search: %d events, want 6", len(p.events(t, q)))
	}
}

// export is what the NDJSON export has for q.
func (p *panel) export(t *testing.T, q url.Values) []apiEvent {
	t.Helper()
	resp, err := p.get(t.Context(), prefix+"export.ndjson?"+q.Encode())
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("export: %v, %v", resp, err)
	}
	defer resp.Body.Close()
	var events []apiEvent
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e apiEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

// count is how many events the API counts for q.
func (p *panel) count(t *testing.T, q url.Values) int {
	t.Helper()
	page, status, err := p.api(t.Context(), "count", q)
	if err != nil || status != http.StatusOK {
		t.Fatalf("count: status %d: %s %v", status, page.Detail, err)
	}
	return page.Count
}

// compare compares events with what they should be, order and attributes
// included.
func compare(t *testing.T, what string, got, want []apiEvent) {
	t.Helper()
	if slices.EqualFunc(got, want, func(a, b apiEvent) bool { return a.Cursor == b.Cursor && a.Sentence == b.Sentence }) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i].Cursor != want[i].Cursor {
			t.Errorf("%s: event %d is %s, want %s", what, i, got[i].Sentence, want[i].Sentence)
			break
		}
	}
	t.Errorf("%s: %d events, want %d", what, len(got), len(want))
}

// questions passes requests on to Loki and notes what they ask.
type questions struct {
	mu    sync.Mutex
	asked []string
}

func (q *questions) RoundTrip(r *http.Request) (*http.Response, error) {
	q.mu.Lock()
	q.asked = append(q.asked, r.URL.Query().Get("query"))
	q.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// count is how many of the questions begin with a text.
func (q *questions) count(prefix string) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, asked := range q.asked {
		if strings.HasPrefix(asked, prefix) || strings.Contains(asked, "("+prefix) {
			n++
		}
	}
	return n
}
