package viewer

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
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

// export streams every event of the view, newest first or in the order of time
// asked for, in the memory of one batch. If Loki fails in the middle, or the
// reader takes too long, the connection is cut, so that the browser reports a
// failed download and not a file that merely lacks its end.
func (h *Handler) export(format export.Format) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h.viewOf(r, time.UTC)
		if err != nil {
			h.writeError(w, r, err)
			return
		}
		if h.onlyHead(w, r, format.ContentType) {
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
		x := &download{h: h, w: w, r: r, format: format, at: v.now(h.config.Now)}
		x.events = format.NewWriter(&x.buf)
		setWriteDeadline(http.NewResponseController(w), 0) // flush has its own
		x.run(&v)
	}
}

// download is one export under way.
type download struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	format export.Format
	at     time.Time
	events export.Writer
	buf    bytes.Buffer // what has not been sent
	sent   bool         // something has
	n      int
}

func (x *download) run(v *view) {
	ended := "in full"
	defer func() {
		x.h.looked(x.r, "exported %d requests as %s, %s: %s", x.n, x.format.Name, ended, v.describe())
	}()
	err := x.walk(v)
	if err == nil {
		return
	}
	ended = "cut short"
	if x.r.Context().Err() == nil {
		x.h.config.Logger.WarnContext(x.r.Context(), "exporting the admin sessions failed",
			"format", x.format.Name, "events", x.n, "error", err)
	}
	if x.sent {
		panic(http.ErrAbortHandler)
	}
	x.n = 0
	x.h.writeError(x.w, x.r, err)
}

// walk writes every event.
func (x *download) walk(v *view) error {
	walk := trail.Walk{Filter: v.filter(x.h.me(x.r)), Window: v.window(x.at),
		Forward: v.sort == byTime && v.asc, Batch: exportBatch}
	if err := x.events.Start(); err != nil {
		return err
	}
	for e, err := range x.h.exportStore(x.r.Context()).Walk(x.r.Context(), walk) {
		if err == nil {
			err = x.events.Write(&e)
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
func (x *download) flush() error {
	if err := x.events.Flush(); err != nil {
		return err
	}
	control := http.NewResponseController(x.w)
	setWriteDeadline(control, x.h.writeTimeout)
	defer setWriteDeadline(control, 0)
	if !x.sent {
		x.sent = true
		setFileHeader(x.w.Header(), x.format, x.at)
	}
	if _, err := x.buf.WriteTo(x.w); err != nil {
		return err
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// setFileHeader describes the file.
func setFileHeader(header http.Header, f export.Format, at time.Time) {
	header.Set("Content-Type", f.ContentType)
	header.Set("Content-Disposition", `attachment; filename="admin-sessions-`+at.UTC().Format("20060102T150405Z")+f.Extension+`"`)
}
