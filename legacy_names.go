package adminsessions

// Attribute keys of an event. Where OpenTelemetry's semantic conventions
// (v1.43.0) name a thing, the key is theirs; what is particular to an audit
// trail stands under "admin." (what the middleware saw) and "audit." (what the
// exporter adds to prove that the trail is whole).
const (
	KeyUserID       = "user.id"
	KeyUserFullName = "user.full_name"
	KeyUserEmail    = "user.email"

	KeyTargetUserID       = "admin.target.user.id"
	KeyTargetUserFullName = "admin.target.user.full_name"
	KeyTargetUserEmail    = "admin.target.user.email"

	KeySignInName    = "admin.sign_in.name"
	KeySignInOutcome = "admin.sign_in.outcome"

	KeyInterface     = "admin.interface"
	KeyRequestStage  = "admin.request.stage"
	KeyRequestID     = "admin.request.id"
	KeyNote          = "admin.note"
	KeyClientAddress = "client.address"

	KeyMethod         = "http.request.method"
	KeyMethodOriginal = "http.request.method_original"
	KeyURL            = "url.full"
	KeyRoute          = "http.route"
	KeyStatusCode     = "http.response.status_code"
	KeyDuration       = "http.server.request.duration"
	KeyUserAgent      = "user_agent.original"
	KeySessionID      = "session.id"
	KeyErrorType      = "error.type"

	KeyLogID          = "audit.log.id"
	KeySequenceNumber = "audit.sequence.number"
	KeyTruncated      = "audit.truncated"
	// KeyRequestTime holds the time at which the request arrived (Unix
	// nanoseconds) where the entry's own timestamp had to be moved by a
	// millisecond or more to keep its stream in order.
	KeyRequestTime = "audit.request.time"
)

// Resource attribute keys that become Loki's index labels. There are no
// others: each further label multiplies streams.
const (
	KeyServiceName           = "service.name"
	KeyServiceInstanceID     = "service.instance.id"
	KeyDeploymentEnvironment = "deployment.environment.name"
)

// The lines of events can be stored once more, without the fields, for fast
// searches (exporter.WithLines). Their streams have the label KeyLinesOf with
// the service's name, and LinesServiceName instead of it: what selects the
// events of a service never selects its lines. The other labels are the same.
const (
	KeyLinesOf       = "audit.lines.of"
	LinesServiceName = "adminsessions-lines"
)

// Names in Loki that have no attribute key: fields of the OpenTelemetry log
// record itself, named as Loki's OTLP endpoint names them.
const (
	LokiTraceID           = "trace_id"
	LokiSpanID            = "span_id"
	LokiFlags             = "flags"
	LokiObservedTimestamp = "observed_timestamp"
	LokiSeverityNumber    = "severity_number"
	LokiSeverityText      = "severity_text"
	LokiScopeName         = "scope_name"
	LokiScopeVersion      = "scope_version"
)

// LokiName returns the label or structured metadata name under which Loki
// keeps the attribute key: the name that Loki's own OTLP endpoint makes of it.
// Every character outside [a-zA-Z0-9_] becomes an underscore, runs of
// underscores become one, and a name that would start with a digit gets
// "key_" before it (github.com/prometheus/otlptranslator, LabelNamer).
func LokiName(key string) string {
	return string(AppendLokiName(make([]byte, 0, len(key)+4), key))
}

// AppendLokiName appends [LokiName] of key to b.
func AppendLokiName(b []byte, key string) []byte {
	if key == "" {
		return b
	}
	if c := key[0]; c >= '0' && c <= '9' {
		b = append(b, "key_"...)
	}
	n := len(b)
	b = append(b, key...)
	name := b[n:]
	var last byte
	for i, c := range name {
		c = nameBytes[c]
		if c == '_' && last == '_' {
			return collapse(b, n)
		}
		name[i] = c
		last = c
	}
	return b
}

// collapse is the rest of AppendLokiName for a name in which underscores
// follow each other. A character of several bytes is one character, hence one
// underscore; the collapsing takes care of its further bytes.
func collapse(b []byte, start int) []byte {
	end := start
	var last byte
	for _, c := range b[start:] {
		c = nameBytes[c]
		if c == '_' && last == '_' {
			continue
		}
		b[end] = c
		end++
		last = c
	}
	return b[:end]
}

// nameBytes maps a byte of a key to that of its name.
var nameBytes = func() (t [256]byte) {
	for i := range t {
		c := byte(i)
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			t[i] = c
		} else {
			t[i] = '_'
		}
	}
	return t
}()
