package viewer

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

func TestExport(t *testing.T) {
	e := eventAgo(time.Minute, "https://panel.example/a,\"b\"", func(e *adminsessions.Event) {
		e.Note = `=HYPERLINK("http://evil.example")`
		e.Method, e.SentMethod = "_OTHER", "BREW"
		e.Attributes = []attribute.KeyValue{attribute.String("plan", "S;=1"), attribute.String("old plan", `"M"`)}
	})
	loki := newFakeLoki(t, holds(e, eventAgo(2*time.Minute, "https://panel.example/older")))
	h := newTestHandler(t, loki.URL)

	w := get(t, h, "/export.csv")
	text, marked := strings.CutPrefix(w.Body.String(), "\uFEFF")
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || !marked || len(records) != 3 {
		t.Fatalf("%d records, %v\n%s", len(records), err, text)
	}
	cells := map[string]string{}
	for i, name := range records[0] {
		cells[name] = records[1][i]
	}
	if cells["time_utc"] != "2026-05-04T11:59:00.000000000Z" || cells["url"] != `https://panel.example/a,"b"` ||
		cells["note"] != `'=HYPERLINK("http://evil.example")` || cells["service_name"] != "panel" || cells["sent_method"] != "BREW" ||
		cells["attributes"] != `{"plan":"S;'=1","old_plan":"\"M\""}` {
		t.Errorf("record %v", cells)
	}
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="admin-sessions-20260504T120000Z.csv"` {
		t.Errorf("Content-Disposition %q", got)
	}

	w = get(t, h, "/export.ndjson?sort=time")
	var urls []string
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		var e export.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		urls = append(urls, e.Fields["url"])
	}
	if len(urls) != 2 || urls[0] != "https://panel.example/older" {
		t.Errorf("events %q, want the oldest first", urls)
	}
}

// TestExportOfNothing is a file with a header, not an error.
func TestExportOfNothing(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds()).URL)
	if w := get(t, h, "/export.csv"); w.Code != http.StatusOK || strings.Count(w.Body.String(), "\n") != 1 {
		t.Errorf("status %d: %q", w.Code, w.Body)
	}
	if w := get(t, h, "/export.ndjson"); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("status %d: %q", w.Code, w.Body)
	}
}

// TestExportCutShort has Loki fail in the middle: the download fails, it does
// not merely end. Before anything has been sent the answer says what is wrong.
func TestExportCutShort(t *testing.T) {
	for sent, events := range map[bool][]adminsessions.Event{
		false: {eventAgo(time.Minute, "https://panel.example/a")},
		true:  slices.Repeat([]adminsessions.Event{eventAgo(time.Minute, "https://panel.example/a")}, 1000),
	} {
		for i := range events {
			events[i].Time = events[i].Time.Add(-time.Duration(i))
		}
		found := holds(events...)
		var n atomic.Int64
		loki := newFakeLoki(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 1 {
				fails(500, "broken")(w, r)
				return
			}
			found(w, r)
		})
		panel := httptest.NewServer(newTestHandler(t, loki.URL))
		defer panel.Close()
		for _, format := range []string{"csv", "ndjson"} {
			n.Store(0)
			resp, err := http.Get(panel.URL + "/export." + format)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if sent && err == nil {
				t.Errorf("%s: the download ended as if it were whole", format)
			}
			if !sent && (resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Content-Disposition") != "") {
				t.Errorf("%s: status %d, %v; want an error and no file", format, resp.StatusCode, resp.Header)
			}
		}
	}
}

// TestFewExportsAtOnce has as many exports under way as there may be.
func TestFewExportsAtOnce(t *testing.T) {
	waiting := make(chan struct{}, 2*maxExports)
	loki := newFakeLoki(t, func(_ http.ResponseWriter, r *http.Request) {
		waiting <- struct{}{}
		<-r.Context().Done()
	})
	var notes []string
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.Accessed = func(_ context.Context, note string) { notes = append(notes, note) }
	})
	ctx, cancel := context.WithCancel(t.Context())
	var exports sync.WaitGroup
	for range maxExports {
		exports.Go(func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/export.csv", http.NoBody)
			h.export(export.CSV())(httptest.NewRecorder(), r)
		})
		<-waiting
	}
	for _, target := range []string{"/export.csv", "/export.ndjson"} {
		w := get(t, h, target)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, want 429 and when to try again", target, w.Code)
		}
	}
	if w := get(t, h, "/export.csv?range=x"); w.Code != http.StatusBadRequest {
		t.Errorf("a bad view: status %d", w.Code)
	}
	loki.become(holds(eventAgo(time.Minute, "https://panel.example/a")))
	if w := get(t, h, "/"); w.Code != http.StatusOK {
		t.Errorf("the page: status %d while exports are under way", w.Code)
	}
	cancel()
	exports.Wait()
	if w := get(t, h, "/export.csv"); w.Code != http.StatusOK {
		t.Errorf("status %d when the others have ended", w.Code)
	}
	if !slices.Contains(notes, "looked at the trail: refused: busy") {
		t.Errorf("the refusal is not recorded: %q", notes)
	}
}

// TestHeadAsksNothing of Loki.
func TestHeadAsksNothing(t *testing.T) {
	loki := newFakeLoki(t, holds(eventAgo(time.Minute, "https://panel.example/a")))
	h := newTestHandler(t, loki.URL)
	for target, status := range map[string]int{
		"/": 200, "/?q=x": 200, "/export.csv": 200, "/export.ndjson?range=90d": 200, "/api/events": 200, "/api/count": 200, "/api/online": 200,
		"/export.csv?x=1": 400, "/?x=1": 400, "/nothing": 404,
	} {
		w := get(t, h, target, func(r *http.Request) { r.Method = http.MethodHead })
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", target, w.Code, status)
		}
	}
	if w := get(t, h.API(), "/list", func(r *http.Request) { r.Method = http.MethodHead }); w.Code != 200 || loki.asked() != 0 {
		t.Errorf("status %d; Loki was asked %d times", w.Code, loki.asked())
	}
}
