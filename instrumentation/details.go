package instrumentation

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// recordedHeader is a request header that is recorded.
type recordedHeader struct {
	name string // canonical
	key  string // http.request.header.<name in small letters>
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
		value, cut := m.redaction.Header(rh.name, value, maxHeaderBytes)
		if cut {
			markCut(e, attributePrefix+rh.key)
		}
		m.setAttribute(e, attribute.String(rh.key, m.bounded(e, attributeField(rh.key, maxHeaderBytes), value)))
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

const headerKeyPrefix = "http.request.header."
