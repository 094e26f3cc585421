package viewer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

const (
	// exportFlush is how many bytes go out at a time.
	exportFlush = 64 << 10
	// exportBatch is how many events are asked for at a time.
	exportBatch = trail.MaxBatch / 2
	// maxExports is how many exports there may be at once: each holds a batch
	// and keeps Loki busy.
	maxExports = 4
)

// exportFormat is a form in which events are exported.
type exportFormat struct {
	name, extension, contentType string
	writer                       func(io.Writer) eventWriter
}

// eventWriter writes events into memory.
type eventWriter interface {
	start() error
	write(*trail.Event) error
	flush() error
}

var (
	csvFormat = exportFormat{"CSV", ".csv", "text/csv; charset=utf-8",
		func(w io.Writer) eventWriter { return newCSVWriter(w) }}
	ndjsonFormat = exportFormat{"NDJSON", ".ndjson", "application/x-ndjson",
		func(w io.Writer) eventWriter { return newNDJSONWriter(w) }}
)

// ndjsonWriter writes events for programs, one JSON object a line.
type ndjsonWriter struct{ enc *json.Encoder }

func newNDJSONWriter(w io.Writer) ndjsonWriter {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return ndjsonWriter{enc}
}

func (n ndjsonWriter) start() error               { return nil }
func (n ndjsonWriter) write(e *trail.Event) error { return n.enc.Encode(apiEventOf(e)) }
func (n ndjsonWriter) flush() error               { return nil }

// export streams every event of the view, newest first or in the order of time
// asked for, in the memory of one batch. If Loki fails in the middle, or the
// reader takes too long, the connection is cut, so that the browser reports a
// failed download and not a file that merely lacks its end.
func (h *Handler) export(format exportFormat) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h.viewOf(r, time.UTC)
		if err != nil {
			h.writeError(w, r, err)
			return
		}
		if h.onlyHead(w, r, format.contentType) {
			return
		}
		select {
		case h.exports <- struct{}{}:
			defer func() { <-h.exports }()
		default:
			w.Header().Set("Retry-After", "30")
			h.writeProblem(w, r, http.StatusTooManyRequests, "busy",
				fmt.Sprintf("%d exports are under way; try again when one of them has ended", maxExports))
			return
		}
		x := &export{h: h, w: w, r: r, format: format, at: v.now(h.config.Now)}
		x.events = format.writer(&x.buf)
		setWriteDeadline(http.NewResponseController(w), 0) // flush has its own
		x.run(&v)
	}
}

// export is one export under way.
type export struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	format exportFormat
	at     time.Time
	events eventWriter
	buf    bytes.Buffer // what has not been sent
	sent   bool         // something has
	n      int
}

func (x *export) run(v *view) {
	ended := "in full"
	defer func() {
		x.h.looked(x.r, "exported %d requests as %s, %s: %s", x.n, x.format.name, ended, v.describe())
	}()
	err := x.walk(v)
	if err == nil {
		return
	}
	ended = "cut short"
	if x.r.Context().Err() == nil {
		x.h.config.Logger.WarnContext(x.r.Context(), "exporting the admin sessions failed",
			"format", x.format.name, "events", x.n, "error", err)
	}
	if x.sent {
		panic(http.ErrAbortHandler)
	}
	x.n = 0
	x.h.writeError(x.w, x.r, err)
}

// walk writes every event.
func (x *export) walk(v *view) error {
	walk := trail.Walk{Filter: v.filter(x.h.me(x.r)), Window: v.window(x.at),
		Forward: v.sort == byTime && v.asc, Batch: exportBatch}
	if err := x.events.start(); err != nil {
		return err
	}
	for e, err := range x.h.exportStore(x.r.Context()).Walk(x.r.Context(), walk) {
		if err == nil {
			err = x.events.write(&e)
		}
		if err == nil && x.buf.Len() >= exportFlush {
			err = x.flush()
		}
		if err != nil {
			return err
		}
		x.n++
	}
	return x.flush()
}

// flush sends what has been written. The reader has some time to take it; while
// Loki is asked for more, there is no limit.
func (x *export) flush() error {
	if err := x.events.flush(); err != nil {
		return err
	}
	control := http.NewResponseController(x.w)
	setWriteDeadline(control, x.h.writeTimeout)
	defer setWriteDeadline(control, 0)
	if !x.sent {
		x.sent = true
		x.format.setHeader(x.w.Header(), x.at)
	}
	if _, err := x.buf.WriteTo(x.w); err != nil {
		return err
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// setHeader describes the file.
func (f *exportFormat) setHeader(header http.Header, at time.Time) {
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Disposition", `attachment; filename="admin-sessions-`+at.UTC().Format("20060102T150405Z")+f.extension+`"`)
}
