package instrumentation

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// recordedHeader is a request header that is recorded.
type recordedHeader struct {
	name string // canonical
	key  string // http.request.header.<name in small letters>
	url  bool   // its value is a URL, to be redacted like one
}

func (m *middleware) recordHeaders(e *adminsessions.Event, h http.Header) {
	for _, rh := range m.headers {
		values := h[rh.name]
		if len(values) == 0 {
			continue
		}
		value := values[0]
		if len(values) > 1 {
			value = strings.Join(values, ", ")
		}
		if rh.url {
			value = string(m.redaction.appendURLText(nil, value))
		}
		m.setAttribute(e, attribute.String(rh.key, m.bounded(e, rh.key, value, MaxHeaderBytes)))
	}
}

// session makes session.id: a keyed hash, so that the requests of one session
// can be told to belong together by people who must not be able to take it
// over.
type session struct {
	id   func(*http.Request) string
	macs sync.Pool // of hash.Hash
}

func newSession(id func(*http.Request) string, key []byte) *session {
	key = bytes.Clone(key)
	return &session{id: id, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// hash returns the first 128 bits of the HMAC-SHA256 in hexadecimal.
func (s *session) hash(id string) string {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	_, _ = io.WriteString(mac, id) // a hash never fails
	var sum [sha256.Size]byte
	return hex.EncodeToString(mac.Sum(sum[:0])[:16])
}

// formField is a form field that is recorded.
type formField struct{ name, key string }

// formCapture stands between the handler and the request's body, and keeps
// the start of what the handler reads. It reads nothing by itself.
type formCapture struct {
	io.ReadCloser
	mu   sync.Mutex
	kept []byte // guarded by mu: a handler may leave a reader behind
}

func (c *formCapture) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.mu.Lock()
		c.kept = append(c.kept, p[:min(n, MaxFormBytes-len(c.kept))]...)
		c.mu.Unlock()
	}
	return n, err
}

// captureForm puts a formCapture into the request if it has a form.
func (m *middleware) captureForm(r *http.Request) *formCapture {
	if len(m.formFields) == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	ct := r.Header.Get("Content-Type")
	if !strings.HasPrefix(ct, "application/x-www-form-urlencoded") && !strings.HasPrefix(ct, "multipart/form-data") {
		return nil
	}
	c := &formCapture{ReadCloser: r.Body}
	r.Body = c
	return c
}

func (m *middleware) recordForm(e *adminsessions.Event, r *http.Request, c *formCapture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) == 0 {
		return
	}
	contentType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		m.metrics.refusedByReason[detailForm].Inc()
		return
	}
	var values url.Values
	if contentType == "multipart/form-data" {
		values = multipartValues(c.kept, params["boundary"])
	} else {
		// What was kept of a longer form may end within a field; the field is
		// bounded, and what could be read is in values in spite of an error.
		values, err = url.ParseQuery(string(c.kept))
		if err != nil {
			m.metrics.refusedByReason[detailForm].Inc()
		}
	}
	for _, f := range m.formFields {
		v := values[f.name]
		if len(v) == 0 {
			continue
		}
		text := strings.Join(v, ", ")
		if isSecretValue(text) {
			text = Redacted
		}
		m.setAttribute(e, attribute.String(f.key, m.bounded(e, f.key, text, MaxFormFieldBytes)))
	}
	if len(c.kept) == MaxFormBytes {
		e.Cut = append(e.Cut, formKeyPrefix+"*")
	}
}

const (
	formKeyPrefix   = "admin.form."
	headerKeyPrefix = "http.request.header."
)

// multipartValues reads the fields, not the files, of what was kept.
func multipartValues(kept []byte, boundary string) url.Values {
	values := url.Values{}
	if boundary == "" {
		return values
	}
	for mr := multipart.NewReader(bytes.NewReader(kept), boundary); ; {
		part, err := mr.NextPart()
		if err != nil {
			return values // the end, or the end of what was kept
		}
		if part.FileName() != "" {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, MaxFormFieldBytes+1))
		if name := part.FormName(); name != "" && len(text) > 0 {
			values[name] = append(values[name], string(text))
		}
		if err != nil {
			return values
		}
	}
}
