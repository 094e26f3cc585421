package instrumentation

import (
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/redact"
	"github.com/adminsessions/adminsessions/internal/text"
)

// isSecretName reports whether a name is that of a secret, by the tables alone.
func isSecretName(name string) bool {
	var tables redact.Redactor
	return tables.Name(name)
}

// attributeWithoutSecrets is an application's attribute as it is recorded.
func (m *middleware) attributeWithoutSecrets(kv attribute.KeyValue) attribute.KeyValue {
	key := string(kv.Key)
	switch kv.Value.Type() {
	case attribute.BOOL, attribute.FLOAT64:
		if m.redaction.Name(key) {
			return attribute.String(key, Redacted)
		}
		return kv
	case attribute.INT64:
		if m.redaction.HidesValue(key, strconv.FormatInt(kv.Value.AsInt64(), 10)) {
			return attribute.String(key, Redacted)
		}
		return kv
	default: // strings, and lists as they would be shown
		value := kv.Value.String()
		if m.redaction.HidesName(key, value) {
			return attribute.String(key, Redacted)
		}
		return attribute.String(key, m.redaction.Text(value))
	}
}

// setRoute sets the route, and takes out of the URL what a wildcard of it stands
// for that has a secret's name: "/reset/{token}".
func (m *middleware) setRoute(e *adminsessions.Event, pattern string) {
	known, ok := m.routes.Load(pattern)
	if !ok {
		known.route, known.cut = text.Clean(routeOf(pattern), fieldRoute.limit)
		known.secrets, known.hides = m.redaction.RoutePattern(known.route)
		m.routes.Store(pattern, known, maxRoutes)
	}
	e.Route = known.route
	if known.cut {
		markCut(e, fieldRoute.name)
	}
	if known.hides {
		e.URL = redact.HideIn(e.URL, known.secrets)
	}
}

// knownRoute is what is worked out of a router's pattern.
type knownRoute struct {
	route   string
	cut     bool
	secrets redact.PathPattern
	hides   bool
}

// maxRoutes bounds the routes, and the acts, that are remembered. A program has
// fewer; what comes beyond is worked out each time.
const maxRoutes = 4096
