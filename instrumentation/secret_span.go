package instrumentation

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions/internal/text"
)

// redactSpan sees to it that the span of a request tells no more than its
// record: otelhttp takes the path and the user agent as they are sent, and the
// client's address from whoever sends X-Forwarded-For.
func (m *middleware) redactSpan(r *http.Request) {
	span := trace.SpanFromContext(r.Context())
	if !span.IsRecording() {
		return
	}
	var attrs []attribute.KeyValue
	if b, _ := m.redaction.AppendURL(nil, r.URL.EscapedPath(), "", fieldURL.limit); string(b) != r.URL.Path {
		attrs = append(attrs, attribute.String("url.path", string(b)))
	}
	if ua := r.UserAgent(); ua != "" {
		if clean, _ := text.Clean(ua, fieldUserAgent.limit); clean != ua {
			attrs = append(attrs, attribute.String("user_agent.original", clean))
		}
	}
	if host := r.Host; len(host) > maxHostBytes+maxPortBytes {
		attrs = append(attrs, attribute.String("server.address", host[:maxHostBytes]))
	}
	truncated := m.truncation != truncation{}
	if truncated || len(r.Header["X-Forwarded-For"]) > 0 {
		address := ""
		if addr := m.truncation.apply(m.proxies.origin(r).address); addr.IsValid() {
			address = addr.String()
		}
		attrs = append(attrs, attribute.String("client.address", address))
	}
	if peer := m.truncation.apply(peerAddress(r.RemoteAddr)); truncated && peer.IsValid() {
		attrs = append(attrs, attribute.String("network.peer.address", peer.String()))
	}
	if len(attrs) > 0 {
		span.SetAttributes(attrs...)
	}
}

// redactSpanPath does so for a path of which more has become known.
func redactSpanPath(ctx context.Context, u string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("url.path", pathOf(u)))
	}
}
