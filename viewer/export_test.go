package viewer

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

func TestNoCellIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"":                "",
		"anna":            "anna",
		"a=b":             "a=b",
		"=1+1":            "'=1+1",
		"+1+1":            "'+1+1",
		"-1+1":            "'-1+1",
		"@SUM(A1)":        "'@SUM(A1)",
		"\t=1":            "'\t=1",
		"\r=1":            "'\r=1",
		"  =1":            "'  =1",
		"\u00a0=1":        "'\u00a0=1",
		"＝1":              "'＝1",
		"|cmd":            "'|cmd",
		"%0A":             "'%0A",
		"-":               "'-",
		"-0.5":            "-0.5",
		"-Inf":            "'-Inf",
		"+5":              "'+5",
		"2001:db8::1":     "2001:db8::1",
		"https://x/?a==1": "https://x/?a==1",
	} {
		if got := safeCell(cell); got != want {
			t.Errorf("safeCell(%q) = %q, want %q", cell, got, want)
		}
	}
}

func TestExport(t *testing.T) {
	e := eventAgo(time.Minute, "https://panel.example/a,\"b\"")
	e.metadata[adminsessions.LokiName(adminsessions.KeyNote)] = `=HYPERLINK("http://evil.example")`
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
	if cells["time_utc"] != "2026-05-04T11:59:00.000000000Z" || cells["url.full"] != `https://panel.example/a,"b"` ||
		cells["admin.note"] != `'=HYPERLINK("http://evil.example")` || cells["service.name"] != "panel" {
		t.Errorf("record %v", cells)
	}
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="admin-sessions-20260504T120000Z.csv"` {
		t.Errorf("Content-Disposition %q", got)
	}

	w = get(t, h, "/export.ndjson?sort=time")
	var urls []string
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		var e apiEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		urls = append(urls, e.Attributes["url_full"])
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
// not merely end.
func TestExportCutShort(t *testing.T) {
	found := holds(eventAgo(time.Minute, "https://panel.example/a"))
	n := 0
	loki := newFakeLoki(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n > 1 {
			fails(500, "broken")(w, r)
			return
		}
		found(w, r)
	})
	panel := httptest.NewServer(newTestHandler(t, loki.URL))
	defer panel.Close()
	for _, format := range []string{"csv", "ndjson"} {
		n = 0
		resp, err := http.Get(panel.URL + "/export." + format)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the download ended as if it were whole", format)
		}
	}
	n = 1
	resp, err := http.Get(panel.URL + "/export.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Content-Disposition") != "" {
		t.Errorf("nothing exported: status %d, %v; want an error and no file", resp.StatusCode, resp.Header)
	}
}
