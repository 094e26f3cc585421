package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"

	"github.com/felixge/httpsnoop"

	"github.com/adminsessions/adminsessions/instrumentation"
)

// Values of error.type for a panel that has not answered.
const (
	errorUnreachable = "panel_unreachable"
	errorTimeout     = "panel_timeout"
)

// reverseProxy hands requests on to the panel that is meant.
func (g *generation) reverseProxy() http.Handler {
	hand := &httputil.ReverseProxy{
		Rewrite:        g.rewrite,
		Transport:      roundTrip(func(r *http.Request) (*http.Response, error) { return visitOf(r).panel.transport.RoundTrip(r) }),
		ModifyResponse: g.answered,
		ErrorHandler:   g.unanswered,
		BufferPool:     &g.buffers,
		ErrorLog:       slog.NewLogLogger(g.logger.Handler(), slog.LevelWarn),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitOf(r)
		if r.ProtoMajor == 1 && r.Body != http.NoBody {
			// A panel may answer before it has read everything. Without this
			// net/http would wait for the rest before the first byte goes out.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		defer func() {
			if p := recover(); p != nil {
				if v.began { // what the panel sent before it broke off is the client's
					_ = http.NewResponseController(w).Flush()
				}
				panic(p)
			}
		}()
		hand.ServeHTTP(g.cleaned(w, v), r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// cleaned is w without what the panel says to us, also in informational answers,
// which ReverseProxy passes on by itself. It can do what w can.
func (g *generation) cleaned(w http.ResponseWriter, v *visit) http.ResponseWriter {
	return httpsnoop.Wrap(w, httpsnoop.Hooks{
		WriteHeader: func(next httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
			return func(code int) {
				h := w.Header()
				if code >= 100 && code <= 199 {
					g.say(v, takeSaid(h))
					next(code)
					return
				}
				v.began = true
				if _, given := h["Content-Type"]; !given {
					h["Content-Type"] = nil // or net/http guesses one
				}
				if id := v.recording.RequestID(); id != "" && g.requestIDHeader != "" && len(h[g.requestIDHeader]) == 0 {
					h.Set(g.requestIDHeader, id) // an informational answer has taken it along
				}
				next(code)
			}
		},
	})
}

// answered looks at a panel's answer before the client gets it.
func (g *generation) answered(resp *http.Response) error {
	v := visitOf(resp.Request)
	said := takeSaid(resp.Header)
	g.known(v, resp)
	g.signIn(v, resp)
	g.say(v, said)
	for name := range resp.Trailer {
		if len(name) > len(auditPrefix) && name[:len(auditPrefix)] == auditPrefix {
			delete(resp.Trailer, name) // announced; it comes behind the body
		}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &trailed{ReadCloser: resp.Body, end: func() { g.say(v, takeSaid(resp.Trailer)) }}
	}
	return nil
}

// say puts on record what the panel says. After the record has been made
// nothing is added any more; package instrumentation counts that.
func (g *generation) say(v *visit, said http.Header) {
	if len(said) == 0 {
		return
	}
	for range record(v.recording, said) {
		g.metrics.headersRefused.Inc()
	}
}

// trailed takes out of the trailer, which is there when the body has been read,
// what is not for the client.
type trailed struct {
	io.ReadCloser
	once sync.Once
	end  func()
}

func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		t.once.Do(t.end)
	}
	return n, err
}

func (t *trailed) Close() error {
	err := t.ReadCloser.Close() // which may fill the trailer
	t.once.Do(t.end)
	return err
}

// unanswered answers in the place of a panel that has not.
func (g *generation) unanswered(w http.ResponseWriter, r *http.Request, err error) {
	v := visitOf(r)
	if errors.Is(r.Context().Err(), context.Canceled) {
		panic(http.ErrAbortHandler) // the client has gone, and the record says so
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		http.Error(w, tooLarge.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	status, kind, text := http.StatusBadGateway, errorUnreachable, "The panel can't be reached."
	if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
		status, kind, text = http.StatusGatewayTimeout, errorTimeout, "The panel has not answered in time."
	}
	v.recording.SetErrorType(kind)
	g.metrics.unanswered.WithLabelValues(kind).Inc()
	g.logger.Warn("a panel has not answered", "panel", v.panel.target.String(), "request_id", v.recording.RequestID(), "error", err)
	problem(w, v.recording, status, text)
}

// problem is an answer of our own. It says nothing of what is behind us.
func problem(w http.ResponseWriter, rec instrumentation.Recording, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	if id := rec.RequestID(); id != "" {
		text += " Request id: " + id
	}
	http.Error(w, text, status)
}

// buffers are what answers are copied with.
type buffers struct{ pool sync.Pool }

const bufferBytes = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferBytes]byte); ok {
		return p[:]
	}
	return new([bufferBytes]byte)[:]
}

func (b *buffers) Put(p []byte) {
	if cap(p) == bufferBytes {
		b.pool.Put((*[bufferBytes]byte)(p[:bufferBytes]))
	}
}
