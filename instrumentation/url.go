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
	host := o.host
	if host == "" {
		host = r.Host
	}
	b = append(b, host[strings.LastIndexByte(host, '@')+1:]...)
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
