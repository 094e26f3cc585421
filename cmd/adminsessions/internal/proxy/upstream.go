package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// upstream is a panel, and the connections to it.
type upstream struct {
	hosts, paths []string
	host         string   // the Host header, or "" for the client's
	target       *url.URL // scheme http or https
	transport    http.RoundTripper
	close        func()
}

func newUpstream(c *Upstream, t Timeouts) (*upstream, error) {
	up := &upstream{hosts: c.Hosts, paths: c.Paths, host: c.Host}
	dialer := &net.Dialer{Timeout: t.Connect}
	dial := dialer.DialContext
	if socket, ok := strings.CutPrefix(c.URL, "unix:"); ok {
		if socket = strings.TrimPrefix(socket, "//"); !path.IsAbs(socket) {
			return nil, fmt.Errorf("%q: want unix: and an absolute path", c.URL)
		}
		up.target = &url.URL{Scheme: "http", Host: "localhost"}
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	} else {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("%q: want http://host:port, https://, h2c:// or unix:/path, without credentials or a query", c.URL)
		}
		up.target = u
	}
	pool, err := certificates(c.CAFile)
	if err != nil {
		return nil, err
	}
	newTransport := func(protocols *http.Protocols) *http.Transport {
		return &http.Transport{
			DialContext:           dial,
			TLSClientConfig:       &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   t.Connect,
			ResponseHeaderTimeout: t.Response,
			ExpectContinueTimeout: time.Second,
			IdleConnTimeout:       t.Idle,
			MaxIdleConns:          512,
			MaxIdleConnsPerHost:   256,
			DisableCompression:    true, // what the client accepts is its own affair
			Protocols:             protocols,
		}
	}
	var one, all http.Protocols
	one.SetHTTP1(true)
	switch up.target.Scheme {
	case "http":
		all.SetHTTP1(true)
	case "https":
		all.SetHTTP1(true)
		all.SetHTTP2(true)
	case "h2c":
		target := *up.target
		target.Scheme = "http"
		up.target = &target
		all.SetUnencryptedHTTP2(true)
	default:
		return nil, fmt.Errorf("%q: want http, https, h2c or unix", c.URL)
	}
	plain, whole := newTransport(&one), newTransport(&all)
	up.transport = &upgrading{plain: plain, whole: whole}
	up.close = func() {
		plain.CloseIdleConnections()
		whole.CloseIdleConnections()
	}
	return up, nil
}

// upgrading sends what asks for another protocol (a WebSocket) by HTTP/1, which
// is the only one in which it can be asked for like that.
type upgrading struct{ plain, whole *http.Transport }

func (u *upgrading) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Upgrade") != "" {
		return u.plain.RoundTrip(r)
	}
	return u.whole.RoundTrip(r)
}

// choose returns the panel that a request is for: of those for its host, or for
// every host, the one with the longest beginning of its path. nil if there is none.
func choose(panels []*upstream, r *http.Request) *upstream {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	var best *upstream
	score := -1
	for _, up := range panels {
		if n := up.score(host, r.URL.Path); n > score {
			best, score = up, n
		}
	}
	return best
}

// score is how well a panel fits: -1 not at all; its host counts more than any
// path.
func (up *upstream) score(host, path string) int {
	n := 0
	if len(up.hosts) > 0 {
		for _, h := range up.hosts {
			if h == host {
				n = 1 << 20
			}
		}
		if n == 0 {
			return -1
		}
	}
	if len(up.paths) == 0 {
		return n
	}
	longest := -1
	for _, p := range up.paths {
		p = strings.TrimSuffix(p, "/")
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
			longest = max(longest, len(p)+1)
		}
	}
	if longest < 0 {
		return -1
	}
	return n + longest
}

// isTimeout reports whether a panel has not answered in time.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
