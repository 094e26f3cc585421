package viewer

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// TestCountsThatAreNotExact has a Loki that answers counts short, with warnings,
// or not at all: no count is shown as exact that its answer contradicts.
func TestCountsThatAreNotExact(t *testing.T) {
	var events []adminsessions.Event
	for i := range 120 {
		events = append(events, eventAgo(time.Duration(i+1)*time.Second, "https://panel.example/"+strconv.Itoa(i)))
	}
	day := "?from=2026-05-04T00:00:00Z&to=2026-05-04T12:00:00Z"
	count := func(n int, rest string) string {
		return fmt.Sprintf(`{%s"data":{"resultType":"vector","result":[{"metric":{"audit_log_id":"a"},"value":[0,"%d"]}]%%s}}`, rest, n)
	}
	stats := func(read int) string { return fmt.Sprintf(`,"stats":{"summary":{"totalLinesProcessed":%d}}`, read) }
	for name, test := range map[string]struct {
		answer, query, want string
	}{
		"all":                           {fmt.Sprintf(count(120, ""), stats(125)), day, "1–50 of 120<"},
		"Loki says nothing more":        {fmt.Sprintf(count(120, ""), ""), day, "1–50 of 120<"},
		"a warning":                     {fmt.Sprintf(count(110, `"warnings":["a querier did not answer"],`), ""), day, "1–50 of about 110<"},
		"fewer than the page has":       {fmt.Sprintf(count(30, ""), ""), day, "1–50 of at least 50<"},
		"none, though the page has":     {`{"data":{"resultType":"vector","result":[]}}`, day, "1–50 of at least 50<"},
		"fewer than read by numbers":    {fmt.Sprintf(count(100, ""), stats(100)), day, "1–50 of at least 100<"},
		"more than there are numbers":   {fmt.Sprintf(count(140, ""), stats(140)), day, "1–50 of at most 140<"},
		"what arrived since is counted": {fmt.Sprintf(count(130, ""), stats(250)), "", "1–50 of at most 260<"},
		"a view that moves":             {fmt.Sprintf(count(40, ""), ""), "?range=1h", "1–50 of 50<"},
	} {
		var asked atomic.Int64
		logs := holds(events...)
		numbered := make([]adminsessions.Event, len(events))
		copy(numbered, events)
		loki := newFakeLoki(t, func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			switch {
			case strings.HasSuffix(r.URL.Path, "/query") && strings.Contains(q.Get("query"), "count_over_time"):
				asked.Add(1)
				says(test.answer)(w, r)
			case strings.HasSuffix(r.URL.Path, "/label/audit_log_id/values"):
				says(`{"data":["a"]}`)(w, r)
			case strings.Contains(q.Get("query"), `audit_log_id="a"`):
				n := 1 // the first and the last of 120
				if q.Get("direction") == "backward" {
					n = 120
				}
				line := adminsessions.AppendSequence(events[0].AppendLine(nil), uint64(n), time.Time{})
				says(streams([]any{[]any{strconv.FormatInt(testNow.UnixNano()-1, 10), string(line)}}))(w, r)
			default:
				logs(w, r)
			}
		})
		h := newTestHandler(t, loki.URL)
		body := get(t, h, "/"+test.query).Body.String()
		if !strings.Contains(body, test.want) {
			_, rest, _ := strings.Cut(body, `id="count">`)
			t.Errorf("%s: the page says %q, want %q", name, rest[:min(60, len(rest))], test.want)
		}
		api := get(t, h, "/api/count"+test.query).Body.String()
		if strings.Contains(test.want, "at most") != strings.Contains(api, `"at_most":true`) && !strings.Contains(test.want, "about") {
			t.Errorf("%s: the API says %s", name, api)
		}
		if name == "fewer than read by numbers" && asked.Load() < 2 {
			t.Error("a short answer is not asked for again")
		}
	}
}

// TestNothingFoundIsNotUnknown tells a count of none from none known.
func TestNothingFoundIsNotUnknown(t *testing.T) {
	none := holds()
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"none":      {says(`{"data":{"resultType":"vector","result":[]}}`), "0 of 0"},
		"a warning": {says(`{"warnings":["partial"],"data":{"resultType":"vector","result":[]}}`), "is not known"},
		"an error":  {fails(500, "broken"), "is not known"},
	} {
		loki := newFakeLoki(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/query") {
				test.answer(w, r)
				return
			}
			none(w, r)
		})
		// A page behind the last one has to count to say how many there are.
		body := get(t, newTestHandler(t, loki.URL), "/?at=2026-05-04T12%3A00%3A00Z&page=2&past=17.1").Body.String()
		if !strings.Contains(body, test.want) {
			_, rest, _ := strings.Cut(body, `id="count">`)
			t.Errorf("%s: the page says %q, want %q", name, rest[:min(60, len(rest))], test.want)
		}
	}
}

// TestClocksThatDiffer has a Loki whose clock says another time.
func TestClocksThatDiffer(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0:                "",
		2 * time.Second:  "",
		-8 * time.Minute: "is 7 min",
		11 * time.Minute: "behind the log store",
		-time.Hour:       "ahead of the log store",
	} {
		answer := holds(eventAgo(time.Minute, "https://panel.example/a"))
		loki := newFakeLoki(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			answer(w, r)
		})
		body := get(t, newTestHandler(t, loki.URL), "/").Body.String()
		if has := strings.Contains(body, "The clock of this application"); has != (want != "") || !strings.Contains(body, want) {
			t.Errorf("%v ahead: the page says so: %v, want %q", ahead, has, want)
		}
	}
}

// TestFoldedAndNotes shows one record that stands for many requests, and each
// note apart.
func TestFoldedAndNotes(t *testing.T) {
	folded := eventAgo(time.Minute, "https://panel.example/admin/login", func(e *adminsessions.Event) {
		e.Count, e.Since = 1234, testNow.Add(-10*time.Minute)
	})
	noted := eventAgo(2*time.Minute, "https://panel.example/b", func(e *adminsessions.Event) { e.Note = "deleted; a\nand <b>" })
	body := get(t, newTestHandler(t, newFakeLoki(t, holds(folded, noted)).URL), "/").Body.String()
	for _, want := range []string{
		"1234 requests, first 4 May 2026, 11:50:00, last 4 May 2026, 11:59:00",
		`<span class="sub note">deleted; a</span><span class="sub note">and &lt;b&gt;</span>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestForeignLines shows what is no event as it is.
func TestForeignLines(t *testing.T) {
	lines := []string{
		"type=API method=GET status=200 and then <b>nothing</b> of an event",
		"type=\ufffd method=\ufffd status=\ufffd\t\t\t",
		eventLine(t, "https://panel.example/real"),
	}
	h := newTestHandler(t, newFakeLoki(t, holdsLines(lines...)).URL)
	for _, target := range []string{"/", "/?sort=url", "/?sort=admin", "/?sort=-duration"} {
		w := get(t, h, target)
		for _, want := range []string{"and then &lt;b&gt;nothing&lt;/b&gt; of an event", "/real", "not readable", "1–3 of 3"} {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: status %d, the page lacks %q", target, w.Code, want)
			}
		}
	}
	for _, target := range []string{"/export.csv", "/export.ndjson", "/api/events"} {
		if w := get(t, h, target); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "nothing") || !strings.Contains(w.Body.String(), "/real") {
			t.Errorf("%s: status %d: %s", target, w.Code, w.Body)
		}
	}
}

func eventLine(t *testing.T, url string) string {
	t.Helper()
	e := eventAgo(0, url)
	return e.Line()
}

// TestLooksAreRecorded has each kind of request recorded, once, as a look: what
// was shown, from memory or not at all, without a text that looks secret.
func TestLooksAreRecorded(t *testing.T) {
	loki := newFakeLoki(t, holds(eventAgo(time.Minute, "https://panel.example/a")))
	var notes []string
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.Accessed = func(_ context.Context, note string) { notes = append(notes, note) }
	})
	token := "ghp_" + strings.Repeat("a1B2", 9)
	for _, step := range []struct {
		target string
		away   bool
		want   string
	}{
		{"/", false, "last 24h"},
		{"/?q=" + token, false, "last 24h, search for a text that looks secret"},
		{"/api/events?q=" + token, false, "read 1 requests by the API: last 24h, search for a text that looks secret"},
		{"/?q=clients%2F7731", false, `last 24h, search "clients/7731"`},
		{"/?q=x&size=50", false, `led to last 24h, search "x"`},
		{"/?range=x", false, "refused: bad_request"},
		{"/?status=404&status=5xx&ip=10.1.2.3%2F8&looks=1", false, "led to last 24h, status 404 or 5xx, IP address 10.0.0.0/8, with looks at the trail"},
		{"/assets/page.css", false, "nothing shown"},
		{"/nothing", false, "nothing shown"},
		{"/", true, "last 24h, as of 2026-05-04T12:00:00Z"},
		{"/?q=new", true, `last 24h, search "new", not shown: unavailable`},
		{"/export.csv", true, "exported 0 requests as CSV, cut short: last 24h"},
		{"/api/count", true, "refused: unavailable"},
	} {
		if step.away {
			loki.become(fails(503, "away"))
		}
		notes = nil
		get(t, h, step.target)
		if len(notes) != 1 || notes[0] != "looked at the trail: "+step.want {
			t.Errorf("%s is recorded as %q, want %q", step.target, notes, step.want)
		}
	}
	notes = nil
	post(t, h, "lang=pl")
	get(t, newTestHandler(t, loki.URL, func(c *Config) {
		c.Authorize = func(*http.Request) Scope { return Scope{} }
		c.Accessed = func(_ context.Context, note string) { notes = append(notes, note) }
	}), "/")
	if len(notes) != 0 {
		t.Errorf("a change, and what was forbidden, are recorded as looks: %q", notes)
	}
}
