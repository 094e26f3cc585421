package viewer

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the parts of the page. The page is sent part by part, so that the
// table is there before the total has been counted, and a long search shows how
// far it is, all without a script.
type pages struct{ t *template.Template }

func loadPages(assets map[string]asset) (*pages, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"asset": func(name string) (string, error) {
			a, ok := assets[name]
			if !ok {
				return "", fmt.Errorf("no asset %q", name)
			}
			return "assets/" + name + "?" + a.version, nil
		},
		"hue":        hue,
		"initials":   initials,
		"shortAgent": shortAgent,
	}).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the templates: %w", err)
	}
	return &pages{t}, nil
}

// stream sends a page part by part. The first error ends it: the rest is
// dropped, since a client that has gone needs nothing more.
type stream struct {
	t *template.Template
	w http.ResponseWriter
	p *pageData
	// The next part may take as long as partTimeout to be made and read, and
	// writeTimeout to be read.
	partTimeout, writeTimeout time.Duration
	buf                       bytes.Buffer
	sent                      bool
	err                       error
}

func (h *Handler) startPage(w http.ResponseWriter, p *pageData) *stream {
	return &stream{t: h.pages.t, w: w, p: p, partTimeout: h.partTimeout(), writeTimeout: h.writeTimeout}
}

const htmlType = "text/html; charset=utf-8"

// head sends the status and the start of the page, once.
func (s *stream) head(status int) {
	if !s.sent {
		s.header(status)
		s.show("head")
	}
}

// problem says instead of what was asked for why it can't be shown.
func (s *stream) problem() {
	s.head(s.p.Problem.status)
	s.show("problem")
	s.show("foot")
}

// header sends the status.
func (s *stream) header(status int) {
	s.sent = true
	s.w.Header().Set("Content-Type", htmlType)
	s.w.Header().Set("Content-Language", s.p.L.Code)
	s.w.Header().Add("Vary", "Cookie, Accept-Language")
	s.w.WriteHeader(status)
}

// show adds a part.
func (s *stream) show(part string) {
	if s.err == nil {
		s.err = s.t.ExecuteTemplate(&s.buf, part+".html", s.p)
	}
}

// flush sends what has been added, now.
func (s *stream) flush() {
	s.write()
	control := http.NewResponseController(s.w)
	if s.err == nil {
		// A writer that cannot flush sends everything at the end.
		_ = control.Flush()
	}
	setWriteDeadline(control, s.partTimeout)
}

func (s *stream) write() {
	setWriteDeadline(http.NewResponseController(s.w), s.writeTimeout)
	if s.err == nil {
		_, s.err = io.Copy(s.w, &s.buf)
	}
}

// close sends the rest.
func (s *stream) close(logger *slog.Logger) {
	s.write()
	if s.err != nil {
		logger.Debug("sending the page failed", "error", s.err)
	}
}
