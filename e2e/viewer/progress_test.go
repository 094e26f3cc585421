package viewer

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestRequestsWithoutAnEnd are shown where their time is, in every view and
// export, and those of administrators first.
func TestRequestsWithoutAnEnd(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	now := time.Now()
	n := 100
	open := func(ago time.Duration, change ...func(*adminsessions.Event)) adminsessions.Event {
		n++
		return event(now.Add(-ago), n, append([]func(*adminsessions.Event){func(e *adminsessions.Event) {
			e.Stage, e.StatusCode, e.URL = adminsessions.Started, 0, fmt.Sprintf("https://panel.example/stream/%d", n)
		}}, change...)...)
	}
	endOf := func(e adminsessions.Event, at time.Duration) lokitest.Entry {
		e.Stage, e.StatusCode, e.Duration = adminsessions.Complete, 200, time.Minute
		line := adminsessions.AppendSequence(e.AppendLine(nil), e.Sequence+1, e.Time)
		return lokitest.Entry{Time: now.Add(-at), Line: string(line)}
	}
	twoHours, aDay, aWeek := open(2*time.Hour), open(26*time.Hour), open(7*24*time.Hour)
	endedSoon, endedLate := open(3*time.Hour), open(50*time.Hour)
	repeated := open(4*time.Hour, func(e *adminsessions.Event) { e.RequestID = "again" })
	other := open(5*time.Hour, func(e *adminsessions.Event) { e.RequestID = "again" }) // has ended; its id is the same
	elsewhere := open(6*time.Hour, func(e *adminsessions.Event) { e.RequestID = "elsewhere" })
	var old []adminsessions.Event
	for i := 59; i >= 0; i-- {
		old = append(old, event(now.Add(-time.Duration(i+1)*time.Hour), i))
	}
	one := stream("one", aWeek, endedLate, aDay, other, repeated, endedSoon, twoHours)
	one.Entries = append(one.Entries, endOf(other, 5*time.Hour-time.Minute), endOf(endedSoon, 3*time.Hour-time.Minute), endOf(endedLate, 10*time.Minute))
	two := stream("two", elsewhere)
	three := stream("three")
	three.Entries = append(three.Entries, endOf(elsewhere, 5*time.Hour)) // of another log: of another request
	push(t, loki, one, two, three, stream("old", old...))

	isOpen := map[string]bool{twoHours.URL: true, aDay.URL: true, aWeek.URL: true, repeated.URL: true, elsewhere.URL: true}
	for _, queried := range [][]string{
		{"range", "30d", "q", "/stream/"}, {"range", "30d", "q", "/stream/", "sort", "time"}, {"range", "30d", "q", "/stream/", "sort", "url"},
	} {
		shown := map[string]string{}
		for _, e := range p.events(t, query(queried...)) {
			if shown[e.Fields["url"]] != "" && e.Fields["url"] != elsewhere.URL {
				t.Errorf("%v: %s comes twice", queried, e.Fields["url"])
			}
			shown[e.Fields["url"]] = e.Fields["status"]
		}
		for _, e := range []adminsessions.Event{twoHours, aDay, aWeek, endedSoon, endedLate, repeated, other} {
			want := "200"
			if isOpen[e.URL] {
				want = "started"
			}
			if shown[e.URL] != want {
				t.Errorf("%v: %s is shown as %q, want %q", queried, e.URL, shown[e.URL], want)
			}
		}
	}
	page := p.page(t, "?from="+now.Add(-27*time.Hour).UTC().Format("2006-01-02T15:04:05Z")+"&to="+now.Add(-25*time.Hour).UTC().Format("2006-01-02T15:04:05Z"))
	if !strings.Contains(page, strings.TrimPrefix(aDay.URL, "https://panel.example")) || !strings.Contains(page, "in progress") {
		t.Error("a range around its time does not show a request without an end")
	}
	resp, err := p.get(t.Context(), prefix+"export.ndjson?range=30d&q=%2Fstream%2F")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	exported := string(content)
	for url := range isOpen {
		if strings.Count(exported, url+`"`) < 1 {
			t.Errorf("the export lacks %s", url)
		}
	}

	// A hundred and ten slow requests of nobody do not hide an administrator's.
	var slow []adminsessions.Event
	for i := range 110 {
		slow = append(slow, open(time.Hour-time.Duration(i)*time.Second, func(e *adminsessions.Event) { e.User = adminsessions.User{} }))
	}
	push(t, loki, stream("slow", slow...))
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, status, err := p.api(t.Context(), "events", query("size", "25", "looks", "1"))
		if err != nil || status != http.StatusOK {
			t.Fatal(status, err)
		}
		if n := len(answer.InProgress); n > 0 {
			if answer.InProgress[0].Fields["url"] != twoHours.URL || n > 100 {
				t.Errorf("%d in progress, the first %s; want the administrator's first", n, answer.InProgress[0].Fields["url"])
			}
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no request in progress on the newest page")
		}
	}
}
