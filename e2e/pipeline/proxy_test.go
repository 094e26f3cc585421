package pipeline

import (
	"bytes"
	"crypto/sha256"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// A faultProxy stands between an exporter and Loki. It forwards pushes until it
// is told to answer in another way.
type faultProxy struct {
	*httptest.Server
	loki   *lokitest.Server
	client *http.Client

	mu     sync.Mutex
	fault  fault // nil: none
	pushes []push
}

// push is what the proxy has seen of one push.
type push struct {
	at     time.Time
	body   [sha256.Size]byte
	faulty bool // it met a fault
}

// A fault answers a push. forward hands it to Loki, and Loki's answer to w
// unless that is nil; a fault that does not call it keeps the push from Loki.
type fault func(w http.ResponseWriter, r *http.Request, forward func(w http.ResponseWriter))

func startProxy(t testing.TB, loki *lokitest.Server) *faultProxy {
	p := &faultProxy{loki: loki, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.CloseClientConnections() // a fault may hold an answer back
		p.Close()
		p.client.CloseIdleConnections()
	})
	return p
}

// to has pushes forwarded to another Loki from now on.
func (p *faultProxy) to(loki *lokitest.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loki = loki
}

// inject sets the fault for pushes from now on; nil ends it.
func (p *faultProxy) inject(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the exporter has gone
	}
	if r.Method == http.MethodGet { // a question, not a push
		p.forward(w, r, body)
		return
	}
	p.mu.Lock()
	f := p.fault
	p.pushes = append(p.pushes, push{at: time.Now(), body: sha256.Sum256(body), faulty: f != nil})
	p.mu.Unlock()

	if f != nil {
		f(w, r, func(w http.ResponseWriter) { p.forward(w, r, body) })
		return
	}
	p.forward(w, r, body)
}

func (p *faultProxy) forward(w http.ResponseWriter, r *http.Request, body []byte) {
	// Not the exporter's context: what has reached the network arrives, even
	// if the sender is killed.
	p.mu.Lock()
	address := p.loki.URL()
	p.mu.Unlock()
	req, err := http.NewRequest(r.Method, address+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header = r.Header.Clone()
	status, answer := http.StatusBadGateway, []byte("no answer from Loki")
	if resp, err := p.client.Do(req); err == nil {
		status = resp.StatusCode
		answer, _ = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if w != nil {
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}
}

// seen returns the pushes so far.
func (p *faultProxy) seen() []push {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]push(nil), p.pushes...)
}

// faults returns how many pushes have met a fault.
func (p *faultProxy) faults() int {
	n := 0
	for _, s := range p.seen() {
		if s.faulty {
			n++
		}
	}
	return n
}

// answerWith never lets a push through.
func answerWith(status int, header http.Header, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ func(http.ResponseWriter)) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// sayAndHangUp writes raw bytes to the exporter and cuts the connection.
func sayAndHangUp(w http.ResponseWriter, raw string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, raw)
}

// loseAnswer lets Loki have the push and cuts the connection.
func loseAnswer(w http.ResponseWriter, _ *http.Request, forward func(http.ResponseWriter)) {
	forward(nil)
	reset(w)
}

// reset cuts the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
