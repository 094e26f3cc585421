package loki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/internal/credential"
)

// maxConns is how many connections a client keeps to one of Loki's addresses.
const maxConns = 16

// httpClient makes the client for s. It follows no redirect: a tenant's name or
// a credential must go nowhere but to the address that was given.
func httpClient(s *settings) (*http.Client, error) {
	t := &transport{settings: s}
	for _, f := range []string{s.CAFile, s.CertFile, s.KeyFile} {
		if f != "" {
			t.files = append(t.files, f)
		}
	}
	t.stamps = stamps(t.files)
	var err error
	if t.current, err = newTransport(s); err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// transport adds credentials and headers to each request. It reads secrets and
// certificates again when their files are replaced.
type transport struct {
	settings *settings
	files    []string // of the TLS configuration

	mu      sync.Mutex
	stamps  []stamp
	current *http.Transport
	stale   error // why newer files can't be used
}

type stamp struct {
	size     int64
	modified time.Time
}

func stamps(files []string) []stamp {
	list := make([]stamp, len(files))
	for i, f := range files {
		if info, err := os.Stat(f); err == nil {
			list[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return list
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	s := t.settings
	req = req.Clone(req.Context())
	maps.Copy(req.Header, s.headers)
	if err := t.authorize(req); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	inner, stale := t.inner()
	resp, err := inner.RoundTrip(req)
	if err != nil {
		return nil, errors.Join(err, stale)
	}
	return resp, nil
}

func (t *transport) authorize(req *http.Request) error {
	s := t.settings
	switch {
	case s.PasswordFile != "":
		password, err := credential.Line(s.PasswordFile)
		if err != nil {
			return fmt.Errorf("password file: %w", err)
		}
		req.SetBasicAuth(s.Username, password)
	case s.BearerTokenFile != "":
		token, err := credential.Line(s.BearerTokenFile)
		if err != nil {
			return fmt.Errorf("bearer token file: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// inner is the transport with the newest certificates. Where those can't be used
// it goes on with the ones before, and says why if a request fails.
func (t *transport) inner() (*http.Transport, error) {
	if len(t.files) == 0 {
		return t.current, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := stamps(t.files)
	for i := range now {
		if now[i] == t.stamps[i] {
			continue
		}
		t.stamps = now
		next, err := newTransport(t.settings)
		if t.stale = err; err == nil {
			t.current.CloseIdleConnections()
			t.current = next
		}
		break
	}
	return t.current, t.stale
}

func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.CloseIdleConnections()
}

func newTransport(s *settings) (*http.Transport, error) {
	// Not http.DefaultTransport, which a program may have changed or replaced.
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     maxConns,
		MaxIdleConnsPerHost: maxConns,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	if s.proxy != nil {
		t.Proxy = http.ProxyURL(s.proxy)
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("Loki.CAFile: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("Loki.CAFile: %s holds no certificate in PEM form", s.CAFile)
		}
	}
	if s.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("Loki.CertFile and Loki.KeyFile: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
