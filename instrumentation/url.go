package instrumentation

import (
	"net/http"
	"strings"
)

// Limits of a host: that of a name in the DNS, and a colon and a port.
const (
	maxHostBytes = 253
	maxPortBytes = 6
)

// appendURL appends the URL of the request as the client saw it: scheme, host
// and port from a trusted proxy if it named them, else from the connection and
// the Host header. cut reports whether something is missing.
func (m *middleware) appendURL(b []byte, r *http.Request, o *origin) (_ []byte, cut bool) {
	first := len(b)
	switch {
	case o.scheme != "":
		b = append(b, o.scheme...)
	case r.TLS != nil:
		b = append(b, "https"...)
	default:
		b = append(b, "http"...)
	}
	isHTTPS := len(b)-first == len("https")
	b = append(b, "://"...)

	name, named := withoutUserInfo(o.host), true
	if !isHost(name) {
		name, named = withoutUserInfo(r.Host), false
	}
	host, port := splitPort(name)
	if o.port != "" && (port == "" || !named) {
		if port = o.port; isHTTPS && port == "443" || !isHTTPS && port == "80" {
			port = ""
		}
	}
	if len(host) > maxHostBytes {
		host, cut = host[:maxHostBytes], true
	}
	b = append(b, host...)
	if port != "" {
		b = append(append(b, ':'), port...)
	}

	path := r.URL.EscapedPath()
	if r.URL.Opaque != "" {
		path = "/" + r.URL.Opaque
	}
	if o.prefix != "" {
		path = o.prefix + path
	}
	b, cutToo := m.redaction.AppendURL(b, path, r.URL.RawQuery, fieldURL.limit-(len(b)-first))
	return b, cut || cutToo
}

func withoutUserInfo(host string) string { return host[strings.LastIndexByte(host, '@')+1:] }

// splitPort divides a host from its port. What is no port is part of the host.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || len(s)-i > maxPortBytes || !isPort(s[i+1:]) || i > 0 && strings.IndexByte(s[:i], ':') >= 0 && s[i-1] != ']' {
		return s, ""
	}
	return s[:i], s[i+1:]
}

func isPort(s string) bool {
	return areDigits(s) && (len(s) < 5 || len(s) == 5 && s <= "65535")
}

func areDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isHost reports whether a forwarded host can be one, with or without a port.
// net/http has seen to it for the Host header.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && strings.IndexByte("-._~:[]", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
