package instrumentation

import (
	"net/http"
	"strings"
)

// appendURL appends the URL of the request as the client saw it: scheme and
// host from a trusted proxy if it named them, else from the connection and the
// Host header.
func (d *redaction) appendURL(b []byte, r *http.Request, o *origin) []byte {
	switch {
	case o.scheme != "":
		b = append(b, o.scheme...)
	case r.TLS != nil:
		b = append(b, "https"...)
	default:
		b = append(b, "http"...)
	}
	b = append(b, "://"...)
	host := o.host[strings.LastIndexByte(o.host, '@')+1:]
	if !isHost(host) {
		host = r.Host[strings.LastIndexByte(r.Host, '@')+1:]
	}
	b = append(b, host...)
	if r.URL.Opaque != "" {
		b = append(b, '/')
		b = d.appendURLText(b, r.URL.Opaque)
	} else {
		b = d.appendPath(b, r.URL.EscapedPath())
	}
	if r.URL.RawQuery != "" {
		b = append(b, '?')
		b = d.appendQuery(b, r.URL.RawQuery)
	}
	return b
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
