package instrumentation

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// formKeyPrefix stands before the name of a form field that is recorded.
const formKeyPrefix = "admin.form."

// formKey is the attribute that says that a form could not be read as it was
// meant to.
const formKey = "admin.form"

// formUnreadable is its value: what net/http could not read, it has not given to
// the handler either.
const formUnreadable = "unreadable"

// formField is a form field that is recorded.
type formField struct{ name, key string }

func formFieldsOf(names []string) ([]formField, error) {
	fields := make([]formField, 0, len(names))
	for _, n := range names {
		if isSecretName(n) {
			return nil, secretNameError(n)
		}
		if n == "" || !isFreeKey(formKeyPrefix+n) {
			return nil, fieldNameError(n)
		}
		fields = append(fields, formField{name: n, key: formKeyPrefix + n})
	}
	return fields, nil
}

func secretNameError(name string) error {
	return fmt.Errorf("%q looks like a secret's name and is never recorded", name)
}

func fieldNameError(name string) error {
	return fmt.Errorf("%q is not a name that can be an attribute: want letters, digits, dots, dashes, underscores", name)
}

// formCapture stands between the handler and the request's body, and keeps
// the start of what the handler reads. It reads nothing by itself.
type formCapture struct {
	io.ReadCloser
	mu   sync.Mutex
	kept []byte // guarded by mu: a handler may leave a reader behind
	more bool   // more was read than is kept
	end  bool   // the body was read to its end
}

func (c *formCapture) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	room := maxFormBytes - len(c.kept)
	c.kept = append(c.kept, p[:max(0, min(n, room))]...)
	c.more = c.more || n > room
	c.end = c.end || err == io.EOF
	return n, err
}

// captureForm puts a formCapture into the request if net/http would read a form
// of it, and nobody further out has.
func (s *scope) captureForm(r *http.Request) *formCapture {
	asked := len(s.m.formFields) > 0 || s.treatment.asks(func(r *policyRule) bool { return len(r.forms) > 0 })
	if !asked || r.Body == nil || r.Body == http.NoBody || r.PostForm != nil {
		return nil
	}
	if kind, _ := formType(r); kind == noForm {
		return nil
	}
	c := &formCapture{ReadCloser: r.Body}
	r.Body = c
	return c
}

// formKind is how a form is encoded.
type formKind int

const (
	noForm formKind = iota
	urlencoded
	multipartForm
	unreadableForm
)

// formType reads the Content-Type as net/http does: in any case, and for a
// urlencoded form whatever its parameters are.
func formType(r *http.Request) (kind formKind, boundary string) {
	sent := first(r.Header["Content-Type"])
	contentType, params, err := mime.ParseMediaType(sent)
	switch contentType {
	case "application/x-www-form-urlencoded":
		return urlencoded, ""
	case "multipart/form-data":
		if boundary = params["boundary"]; err == nil && boundary != "" {
			return multipartForm, boundary
		}
		return unreadableForm, ""
	}
	if sent = strings.ToLower(sent); err != nil && (strings.Contains(sent, "form-urlencoded") || strings.Contains(sent, "form-data")) {
		return unreadableForm, ""
	}
	return noForm, ""
}

// recordForm adds the fields asked for, and says so where the form, or a part
// of it, could not be read.
func (s *scope) recordForm(e *adminsessions.Event) {
	m, fields := s.m, s.m.formFields
	if s.treatment != nil {
		for _, r := range s.treatment.candidates {
			fields = append(slices.Clip(fields), r.forms...)
		}
	}
	if len(fields) == 0 {
		return
	}
	if s.form == nil {
		if s.req.PostForm != nil { // read further out, before it came to us
			m.recordFields(e, fields, s.req.PostForm)
		}
		return
	}
	s.form.mu.Lock()
	defer s.form.mu.Unlock()
	values, whole, err := s.form.values(s.req)
	m.recordFields(e, fields, values)
	if err != nil {
		m.setAttribute(e, attribute.String(formKey, formUnreadable))
	}
	if !whole {
		markCut(e, attributePrefix+formKey)
	}
	if err != nil || !whole {
		m.metrics.Details[counters.DetailForm].Add(1)
	}
}

// values reads the form of what was kept. An error means that something in it
// can't be read; whole, that it was all there, or that nobody has read it.
func (c *formCapture) values(r *http.Request) (values url.Values, whole bool, err error) {
	kind, boundary := formType(r)
	if kind == unreadableForm {
		return nil, true, errForm
	}
	whole = !c.more && (c.end || len(c.kept) == 0 || int64(len(c.kept)) == r.ContentLength)
	if len(c.kept) == 0 {
		return nil, whole, nil
	}
	if kind == multipartForm {
		values, _, err = multipartValues(c.kept, boundary, maxFormFieldBytes+1)
		switch {
		case err == nil: // it says itself where it ends
			whole = true
		case !whole: // the end of what was kept
			err = nil
		}
		return values, whole, err
	}
	values, err = urlencodedValues(c.kept, whole)
	return values, whole, err
}

// urlencodedValues reads a form, or its beginning, which may end within an
// escape.
func urlencodedValues(kept []byte, whole bool) (url.Values, error) {
	form := string(kept)
	if i := strings.LastIndexByte(form, '%'); !whole && i >= 0 && i > len(form)-len("%xx") {
		form = form[:i]
	}
	return url.ParseQuery(form)
}

// multipartValues reads the fields, limit bytes of each, not the files.
func multipartValues(kept []byte, boundary string, limit int64) (values url.Values, files bool, err error) {
	values = url.Values{}
	for mr := multipart.NewReader(bytes.NewReader(kept), boundary); ; {
		part, err := mr.NextPart()
		if err == io.EOF {
			return values, files, nil
		}
		if err != nil {
			return values, files, errForm
		}
		name := part.FormName()
		if part.FileName() != "" {
			files = true
			continue
		}
		if name == "" {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, limit))
		values[name] = append(values[name], string(text))
		if err != nil {
			return values, files, errForm
		}
	}
}

func (m *middleware) recordFields(e *adminsessions.Event, fields []formField, values url.Values) {
	for _, f := range fields {
		v := values[f.name]
		if len(v) == 0 {
			continue
		}
		text := strings.Join(v, ", ")
		if m.redaction.HidesName(f.name, text) {
			text = redacted
		}
		text = m.redaction.Text(text)
		m.setAttribute(e, attribute.String(f.key, m.bounded(e, attributeField(f.key, maxFormFieldBytes), text)))
	}
}
