package instrumentation

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A handler finds out what its ResponseWriter can do with type assertions, so
// the writer it is given must have the methods of the writer below it, no
// fewer and no more. The two sets that net/http's own servers have (also
// through otelhttp) are written out here, as views of a
// scope that cost nothing to make; httpsnoop makes any other (snoop.go).

// http1Response is what net/http's HTTP/1 server gives to a handler.
type http1Response interface {
	http2Common
	http.Hijacker
	io.ReaderFrom
}

// http2Response is what net/http's HTTP/2 server gives to a handler.
type http2Response interface {
	http2Common
	http.Pusher
}

type http2Common interface {
	http.ResponseWriter
	http.Flusher
	http.CloseNotifier //nolint:staticcheck // handlers may still ask for it
	io.StringWriter
	FlushError() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
}

// response makes the ResponseWriter for the next handler.
func (s *scope) response() http.ResponseWriter {
	_, pushes := s.rw.(http.Pusher)
	if h1, ok := s.rw.(http1Response); ok && !pushes {
		s.full = h1
		return http1Writer{fullWriter{s}}
	}
	_, hijacks := s.rw.(http.Hijacker)
	_, reads := s.rw.(io.ReaderFrom)
	if h2, ok := s.rw.(http2Response); ok && !hijacks && !reads {
		s.full = h2
		return http2Writer{fullWriter{s}}
	}
	return s.snoop()
}

// unwrap returns the scope behind w, through the writers that others have put
// around ours, or nil. It does not see through httpsnoop's.
func unwrap(w http.ResponseWriter) *scope {
	for w != nil {
		switch t := w.(type) {
		case http1Writer:
			return t.scope
		case http2Writer:
			return t.scope
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
	return nil
}

// Header, Write and WriteHeader make a scope a plain ResponseWriter.

// Header is the header of the response.
func (s *scope) Header() http.Header { return s.rw.Header() }

// WriteHeader notes the status unless it is informational.
func (s *scope) WriteHeader(code int) {
	s.noteHeader(code)
	s.rw.WriteHeader(code)
	s.noteStream()
}

// Write notes an implicit 200 and a failed write.
func (s *scope) Write(p []byte) (int, error) {
	s.noteImplicit()
	n, err := s.rw.Write(p)
	s.noteWrite(err)
	return n, err
}

// Unwrap is for [http.ResponseController].
func (s *scope) Unwrap() http.ResponseWriter { return s.rw }

func (s *scope) noteHeader(code int) {
	if s.wroteHeader || code < 100 || code > 999 || // net/http panics
		code <= 199 && code != http.StatusSwitchingProtocols {
		return
	}
	s.wroteHeader = true
	s.status = code
	s.noteRequestID()
}

// noteRequestID sees to it that the request id that is sent is the one in the
// record. One of the handler's own is taken over, unless it is the one that the
// client has sent, who could give two requests the same, or a record has been
// made already: then ours is sent after all. A proxying handler adds the headers
// of the answer it passes on to ours; ours stays.
func (s *scope) noteRequestID() {
	name := s.m.requestIDHeader
	if name == "" {
		return
	}
	h := s.rw.Header()
	sent := h[name]
	if len(sent) == 0 || len(sent) == 1 && sent[0] == s.id {
		return
	}
	if len(sent) == 1 && isRequestID(sent[0]) && !slices.Contains(s.req.Header[name], sent[0]) && s.setRequestID(sent[0]) {
		return
	}
	h[name] = []string{s.id}
}

// setRequestID reports whether the id could still be changed.
func (s *scope) setRequestID(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == nil || s.rec.startedSent {
		return false
	}
	s.id, s.rec.event.RequestID = id, id
	return true
}

func (s *scope) noteImplicit() {
	if !s.wroteHeader {
		s.noteHeader(http.StatusOK)
		s.noteStream()
	}
}

// noteStream records a response that will go on for long as soon as it begins.
func (s *scope) noteStream() {
	if !s.wroteHeader || s.stream {
		return
	}
	if s.status == http.StatusSwitchingProtocols {
		s.stream = true
		s.recordStarted(true)
		return
	}
	if ct := s.rw.Header()["Content-Type"]; len(ct) > 0 && strings.HasPrefix(ct[0], "text/event-stream") {
		s.stream = true
		s.recordStarted(true)
	}
}

func (s *scope) noteWrite(err error) {
	if err != nil && s.writeErr == nil {
		s.writeErr = err
	}
}

// noteReadDeadline notes that the handler has chosen until when to read: when
// that is over the server takes the client for gone, which may be untrue.
func (s *scope) noteReadDeadline(t time.Time) {
	if !t.IsZero() {
		s.chosen().read = t
	}
}

// noteWriteDeadline notes that the handler has chosen until when to write.
func (s *scope) noteWriteDeadline(t time.Time, err error) {
	if err == nil {
		s.chosen().writeSet, s.chosen().write = true, t
	}
}

func (s *scope) chosen() *deadlines {
	if s.deadlines == nil {
		s.deadlines = new(deadlines)
	}
	return s.deadlines
}

func (s *scope) noteHijack(err error) {
	if err != nil {
		return
	}
	s.hijacked, s.stream = true, true
	if !s.wroteHeader {
		switch {
		case s.req.Method == http.MethodConnect:
			s.status = http.StatusOK
		case len(s.req.Header["Upgrade"]) > 0:
			s.status = http.StatusSwitchingProtocols
		}
	}
	s.recordStarted(true)
}

// fullWriter has the methods that net/http's writers have in common.
type fullWriter struct{ *scope }

func (w fullWriter) Flush() {
	w.noteImplicit()
	w.full.Flush()
}

func (w fullWriter) FlushError() error {
	w.noteImplicit()
	err := w.full.FlushError()
	w.noteWrite(err)
	return err
}

func (w fullWriter) WriteString(s string) (int, error) {
	w.noteImplicit()
	n, err := w.full.WriteString(s)
	w.noteWrite(err)
	return n, err
}

func (w fullWriter) CloseNotify() <-chan bool { return w.full.CloseNotify() }
func (w fullWriter) EnableFullDuplex() error  { return w.full.EnableFullDuplex() }

func (w fullWriter) SetReadDeadline(t time.Time) error {
	w.noteReadDeadline(t)
	return w.full.SetReadDeadline(t)
}

func (w fullWriter) SetWriteDeadline(t time.Time) error {
	err := w.full.SetWriteDeadline(t)
	w.noteWriteDeadline(t, err)
	return err
}

type http1Writer struct{ fullWriter }

func (w http1Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.full.(http.Hijacker).Hijack()
	w.noteHijack(err)
	return conn, rw, err
}

func (w http1Writer) ReadFrom(src io.Reader) (int64, error) {
	w.noteImplicit()
	n, err := w.full.(io.ReaderFrom).ReadFrom(src)
	w.noteWrite(err)
	return n, err
}

type http2Writer struct{ fullWriter }

func (w http2Writer) Push(target string, opts *http.PushOptions) error {
	return w.full.(http.Pusher).Push(target, opts)
}
