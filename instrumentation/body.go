package instrumentation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

const (
	// bodyKeyPrefix stands before the name of a field of a body that is recorded.
	bodyKeyPrefix = "admin.body."
	// bodyHashKey is the SHA-256 of the body's bytes as they were sent, in
	// hexadecimal.
	bodyHashKey = bodyKeyPrefix + "sha256"
	// bodyKey says that a body is not what was asked for: it could not be read
	// as JSON, or the handler has not read it to its end.
	bodyKey    = "admin.body"
	bodyUnread = "not read to its end"
	bodyNoJSON = "no JSON"
)

// Bounds of what is found in a body.
const (
	maxBodyValues = 16 // of one field: a list, or a name that is there twice
	maxBodyDepth  = 64
)

// bodyField is a field of a JSON body that is recorded.
type bodyField struct {
	path []string
	key  string
}

func bodyFieldsOf(names []string) ([]bodyField, error) {
	fields := make([]bodyField, 0, len(names))
	for _, n := range names {
		key := bodyKeyPrefix + n
		if n == "" || strings.HasPrefix(n, ".") || strings.HasSuffix(n, ".") || strings.Contains(n, "..") || !isFreeKey(key) || key == bodyHashKey {
			return nil, fieldNameError(n)
		}
		path := strings.Split(n, ".")
		if isSecretName(path[len(path)-1]) {
			return nil, secretNameError(n)
		}
		fields = append(fields, bodyField{path, key})
	}
	return fields, nil
}

// WithBodyFields records fields of JSON bodies, as attributes
// admin.body.<name>. A name leads through objects with dots ("client.plan.id");
// lists on the way are gone through, and the values of all their elements stand
// side by side. What is found in any case of letters, or twice, is recorded
// each time: who knows which of them the handler takes. A value that is an object or
// a list is recorded as JSON.
//
// Fields are found in what the handler reads, in the first 64 KiB of it,
// whatever its Content-Type says, unless that is a form's; nothing is read
// ahead. Names that look like a secret's are refused.
func WithBodyFields(names ...string) Option {
	return func(c *config) error {
		fields, err := bodyFieldsOf(names)
		if err != nil {
			return optionError("WithBodyFields", "%w", err)
		}
		c.bodyFields = append(c.bodyFields, fields...)
		return nil
	}
}

// WithBodyHash records the SHA-256 of each body that the handler has read to its
// end, as attribute admin.body.sha256: proof of what was sent, without keeping
// it. Of a body that was not read to its end the record says so.
func WithBodyHash() Option {
	return func(c *config) error {
		c.bodyHash = true
		return nil
	}
}

// bodyCapture stands between the handler and the request's body. It reads
// nothing by itself, and keeps no more than the beginning.
type bodyCapture struct {
	io.ReadCloser
	mu    sync.Mutex
	keep  bool
	kept  []byte    // guarded by mu: a handler may leave a reader behind
	hash  hash.Hash // nil if it is not asked for
	bytes int64
	end   bool
}

func (c *bodyCapture) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keep {
		c.kept = append(c.kept, p[:max(0, min(n, maxFormBytes-len(c.kept)))]...)
	}
	if c.hash != nil {
		_, _ = c.hash.Write(p[:max(0, n)])
	}
	c.bytes += int64(n)
	c.end = c.end || err == io.EOF
	return n, err
}

// captureBody puts a bodyCapture into the request, if the options or the policy
// ask for something of its body.
func (s *scope) captureBody() {
	r := s.req
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	fields := len(s.m.bodyFields) > 0 || s.treatment.asks(func(r *policyRule) bool { return len(r.json) > 0 })
	hashed := s.m.bodyHash || s.treatment.asks(func(r *policyRule) bool { return r.BodyHash })
	if kind, _ := formType(r); kind == urlencoded || kind == multipartForm {
		fields = false
	}
	if !fields && !hashed {
		return
	}
	s.body = &bodyCapture{ReadCloser: r.Body, keep: fields}
	if hashed {
		s.body.hash = sha256.New()
	}
	r.Body = s.body
}

// recordBody adds what was asked for of the body. Which rules of the policy
// count is known by now.
func (s *scope) recordBody(e *adminsessions.Event) {
	m, c := s.m, s.body
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := c.end || c.bytes == s.req.ContentLength
	hashed := m.bodyHash || s.treatment.asks(func(r *policyRule) bool { return r.BodyHash })
	if hashed && c.hash != nil && whole {
		m.setAttribute(e, attribute.String(bodyHashKey, hex.EncodeToString(c.hash.Sum(nil))))
	}
	fields := m.bodyFields
	if s.treatment != nil {
		for _, r := range s.treatment.candidates {
			fields = append(slices.Clip(fields), r.json...)
		}
	}
	if len(fields) == 0 || !c.keep {
		if hashed && !whole {
			m.setAttribute(e, attribute.String(bodyKey, bodyUnread))
		}
		return
	}
	found, ok := findInBody(c.kept, fields)
	cut := c.bytes > int64(len(c.kept))
	for i, f := range fields {
		if len(found[i]) > 0 {
			m.recordBodyField(e, f, found[i])
		}
	}
	switch {
	case !whole:
		m.setAttribute(e, attribute.String(bodyKey, bodyUnread))
	case !ok && !cut && len(c.kept) > 0:
		m.setAttribute(e, attribute.String(bodyKey, bodyNoJSON))
	case cut:
		markCut(e, attributePrefix+bodyKey)
	default:
		return
	}
	m.metrics.Details[counters.DetailForm].Add(1)
}

func (m *middleware) recordBodyField(e *adminsessions.Event, f bodyField, values []string) {
	text := strings.Join(values, ", ")
	if m.redaction.HidesName(f.path[len(f.path)-1], text) {
		text = redacted
	}
	text = m.redaction.Text(text)
	m.setAttribute(e, attribute.String(f.key, m.bounded(e, attributeField(f.key, maxFormFieldBytes), text)))
}

// findInBody finds the values of fields in JSON, or in its beginning; ok says
// that all of it could be read.
func findInBody(kept []byte, fields []bodyField) (found [][]string, ok bool) {
	kept = bytes.TrimPrefix(kept, []byte("\xef\xbb\xbf"))
	f := newBodyFinder(kept, fields)
	for f.decoder.More() { // several values: JSON lines
		if !f.value(nil, 0) {
			return f.found, false
		}
	}
	// More is false also for what begins with a closing bracket.
	_, err := f.decoder.Token()
	return f.found, err == io.EOF
}

// bodyFinder goes through JSON without building it.
type bodyFinder struct {
	decoder *json.Decoder
	size    int // of what it reads
	fields  []bodyField
	found   [][]string
}

func newBodyFinder(b []byte, fields []bodyField) *bodyFinder {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return &bodyFinder{d, len(b), fields, make([][]string, len(fields))}
}

// value reads one value, which stands at a path.
func (f *bodyFinder) value(path []string, depth int) bool {
	if depth > maxBodyDepth {
		return false
	}
	for i := range f.fields {
		if len(path) > 0 && equal(f.fields[i].path, path) {
			return f.take(path, depth)
		}
	}
	token, err := f.decoder.Token()
	if err != nil {
		return false
	}
	switch token {
	case json.Delim('{'):
		for f.decoder.More() {
			name, err := f.decoder.Token()
			if err != nil {
				return false
			}
			key, _ := name.(string)
			if !f.value(append(slices.Clip(path), key), depth+1) {
				return false
			}
		}
	case json.Delim('['):
		for f.decoder.More() {
			if !f.value(path, depth+1) {
				return false
			}
		}
	default:
		return true
	}
	_, err = f.decoder.Token() // the closing bracket
	return err == nil
}

// take reads a value that is asked for. Fields may also be within it.
func (f *bodyFinder) take(path []string, depth int) bool {
	var raw json.RawMessage
	if err := f.decoder.Decode(&raw); err != nil {
		return false
	}
	if len(path) > 0 && f.decoder.InputOffset() == int64(f.size) && raw[len(raw)-1] >= '0' && raw[len(raw)-1] <= '9' {
		return false // a number that may go on behind what was kept
	}
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		var compact bytes.Buffer
		if json.Compact(&compact, raw) != nil {
			return false
		}
		text = compact.String()
	}
	for i := range f.fields {
		switch p := f.fields[i].path; {
		case equal(p, path):
			if len(f.found[i]) < maxBodyValues {
				f.found[i] = append(f.found[i], text)
			}
		case len(p) > len(path) && equal(p[:len(path)], path) && len(raw) > 0 && (raw[0] == '{' || raw[0] == '['):
			within := newBodyFinder(raw, []bodyField{{path: p[len(path):]}})
			_ = within.value(nil, depth+1)
			f.found[i] = append(f.found[i], within.found[0]...)
			f.found[i] = f.found[i][:min(len(f.found[i]), maxBodyValues)]
		}
	}
	return true
}

// equal compares paths whatever the case of their letters.
func equal(a, b []string) bool { return slices.EqualFunc(a, b, strings.EqualFold) }
