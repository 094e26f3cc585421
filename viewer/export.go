package viewer

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// exportFlush is how many events go out at a time.
const exportFlush = 500

// exportColumns are the columns of the CSV file after the time.
var exportColumns = []string{
	adminsessions.KeyUserFullName, adminsessions.KeyUserEmail, adminsessions.KeyUserID,
	adminsessions.KeyTargetUserFullName, adminsessions.KeyTargetUserEmail, adminsessions.KeyTargetUserID,
	adminsessions.KeyClientAddress, adminsessions.KeyInterface, adminsessions.KeyMethod, adminsessions.KeyURL,
	adminsessions.KeyRoute, adminsessions.KeyStatusCode, adminsessions.KeyDuration, adminsessions.KeyNote,
	adminsessions.KeySignInName, adminsessions.KeySignInOutcome, adminsessions.KeySessionID,
	adminsessions.KeyUserAgent, adminsessions.KeyErrorType, adminsessions.KeyRequestID,
	adminsessions.LokiTraceID, adminsessions.KeyLogID, adminsessions.KeySequenceNumber,
	adminsessions.KeyServiceName, adminsessions.KeyServiceInstanceID,
}

// serveCSV exports every event of the view for a spreadsheet.
func (h *Handler) serveCSV(w http.ResponseWriter, r *http.Request) {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	h.export(w, r, exporter{
		name: "CSV", extension: ".csv", contentType: "text/csv; charset=utf-8",
		start: func() error {
			// Spreadsheets take a file without the mark for one of the machine's
			// own old encoding.
			if _, err := w.Write([]byte("\uFEFF")); err != nil {
				return err
			}
			header := []string{"time_utc"}
			return out.Write(append(header, exportColumns...))
		},
		write: func(e *trail.Event) error {
			record := make([]string, 0, len(exportColumns)+1)
			record = append(record, e.Time().UTC().Format("2006-01-02T15:04:05.000000000Z"))
			for _, key := range exportColumns {
				record = append(record, safeCell(e.Get(key)))
			}
			return out.Write(record)
		},
		flush: func() error { out.Flush(); return out.Error() },
	})
}

// safeCell keeps a spreadsheet from taking a text for a formula: it gets an
// apostrophe before it, as one would type it. Numbers stay numbers.
func safeCell(s string) string {
	trimmed := strings.TrimLeft(s, " \u00a0\u3000")
	if trimmed == "" {
		return s
	}
	if strings.ContainsAny(trimmed[:1], "=+-@\t\r\n|%") || strings.HasPrefix(trimmed, "＝") ||
		strings.HasPrefix(trimmed, "＋") || strings.HasPrefix(trimmed, "－") || strings.HasPrefix(trimmed, "＠") {
		if _, err := strconv.ParseFloat(s, 64); err != nil || s[0] != '-' || strings.ContainsAny(s, "IiNn") {
			return "'" + s
		}
	}
	return s
}

// serveNDJSON exports every event of the view for programs, one JSON object a
// line, with everything recorded.
func (h *Handler) serveNDJSON(w http.ResponseWriter, r *http.Request) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	h.export(w, r, exporter{
		name: "NDJSON", extension: ".ndjson", contentType: "application/x-ndjson",
		start: func() error { return nil },
		write: func(e *trail.Event) error { return out.Encode(apiEventOf(e)) },
		flush: func() error { return nil },
	})
}

// exporter writes events in one form.
type exporter struct {
	name, extension, contentType string
	start                        func() error
	write                        func(*trail.Event) error
	flush                        func() error
}

// export streams every event of the view, newest first or in the order of time
// asked for, in the memory of one batch. If Loki fails in the middle the
// connection is cut, so that the browser reports a failed download and not a
// file that merely lacks its end.
func (h *Handler) export(w http.ResponseWriter, r *http.Request, x exporter) {
	v, err := parseView(r.URL.Query(), time.UTC)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	now := v.now(h.config.Now)
	walk := trail.Walk{Filter: v.filter(h.me(r)), Window: v.rng.window(now),
		Forward: v.sort == byTime && v.asc, Batch: trail.MaxBatch / 2}
	n := 0
	ended := "in full"
	defer func() {
		h.config.Accessed(r.Context(), fmt.Sprintf("exported %d events of the admin sessions as %s, %s: %s", n, x.name, ended, v.describe()))
	}()
	begin := func() error {
		header := w.Header()
		header.Set("Content-Type", x.contentType)
		header.Set("Content-Disposition", `attachment; filename="admin-sessions-`+now.UTC().Format("20060102T150405Z")+x.extension+`"`)
		return x.start()
	}
	fail := func(err error) {
		ended = "cut short"
		if r.Context().Err() == nil {
			h.config.Logger.WarnContext(r.Context(), "exporting the admin sessions failed; the download is cut",
				"format", x.name, "events", n, "error", err)
		}
	}
	for e, err := range h.store.Walk(r.Context(), walk) {
		if err != nil {
			fail(err)
			if n == 0 {
				h.writeError(w, r, err)
				return
			}
			panic(http.ErrAbortHandler)
		}
		if n == 0 {
			err = begin()
		}
		if err == nil {
			err = x.write(&e)
		}
		n++
		if err == nil && n%exportFlush == 0 {
			if err = x.flush(); err == nil {
				err = http.NewResponseController(w).Flush()
			}
		}
		if err != nil {
			fail(err)
			panic(http.ErrAbortHandler)
		}
	}
	if n == 0 {
		err = begin()
	}
	if err == nil {
		err = x.flush()
	}
	if err != nil {
		fail(err)
	}
}
