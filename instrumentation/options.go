package instrumentation

import (
	"log/slog"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// Option changes what a middleware does. A nil provider, collector, logger or
// clock is as good as none: the default stays.
type Option func(*config) error

// WithLoggerProvider sets where records go. A provider that implements
// [adminsessions.Sink] gets events directly, any other gets OpenTelemetry log
// records. Default: OpenTelemetry's global provider, also one that is set
// later.
func WithLoggerProvider(p log.LoggerProvider) Option {
	return func(c *config) error {
		c.provider = p
		return nil
	}
}

// WithOTelHTTP puts otelhttp around the middleware, with the options given (its
// TracerProvider, MeterProvider, propagators, span names), so that requests have
// a span and metrics. A request that has come through otelhttp already does not
// get a second one. Whatever makes the span, the record carries its trace.
func WithOTelHTTP(opts ...otelhttp.Option) Option {
	return func(c *config) error {
		c.otelhttp = true
		c.otelhttpOptions = append(c.otelhttpOptions, opts...)
		return nil
	}
}

// WithAdmin sets how to find out who sends a request, where the request itself
// tells (a client certificate, a header of an authenticating proxy, a session
// cookie). f is called once for each request before it is handled, from many
// goroutines at once; it returns the zero User for a request nobody is signed
// in to. [SetAdmin] further in replaces what f said.
//
// If f panics, the request ends as if its handler had.
func WithAdmin(f func(*http.Request) adminsessions.User) Option {
	return func(c *config) error {
		if f == nil {
			return optionError("WithAdmin", "is nil")
		}
		c.admin = f
		return nil
	}
}

// WithActor sets how to find out what kind of actor sends a request, with which
// credential and for which tenant, where the request itself tells. f is called
// behind that of [WithAdmin]. What it says holds for requests that are answered
// before the panel's own code is asked, too, such as those that must say why and
// did not; [SetActor] further in replaces it.
//
// If f panics, the request ends as if its handler had.
func WithActor(f func(*http.Request) adminsessions.Actor) Option {
	return func(c *config) error {
		if f == nil {
			return optionError("WithActor", "is nil")
		}
		c.actor = f
		return nil
	}
}

// WithType sets how to tell pages from programs. Where f returns neither
// [adminsessions.Web] nor [adminsessions.API], and by default, the path decides:
// API if one of its first two segments is "api" in any case (/api/…,
// /admin/API/…), WEB if not. Beware of deciding by what a client may send as it
// likes, such as its headers: the type is what the record says, not what the
// client is.
func WithType(f func(*http.Request) adminsessions.Type) Option {
	return func(c *config) error {
		if f == nil {
			return optionError("WithType", "is nil")
		}
		c.typeOf = f
		return nil
	}
}

// WithActions names acts where what is read off their route is not what the
// application calls them. f is given the method and the pattern of the route, without
// method ("/admin/clients/{id}"); where no router has told one, or none was asked, the
// path. It returns the action, or "" to leave it as it was read. What [SetAction] says wins. A table
// is a function, too:
//
//	WithActions(func(method, route string) string { return actions[method+" "+route] })
//
// f is called for each request whose handler has not named the act. If it panics, the
// action stays as it was read, which is counted.
func WithActions(f func(method, route string) string) Option {
	return func(c *config) error {
		if f == nil {
			return optionError("WithActions", "is nil")
		}
		c.actions = f
		return nil
	}
}

// WithHeaders records request headers, as attributes
// http.request.header.<name>. Headers that carry credentials are refused; in
// those that carry a URL its secrets are hidden.
func WithHeaders(names ...string) Option {
	return func(c *config) error {
		for _, n := range names {
			name := textproto.CanonicalMIMEHeaderKey(n)
			key := headerKeyPrefix + strings.ToLower(name)
			if isSecretName(name) {
				return optionError("WithHeaders", "%s carries a secret and is never recorded", name)
			}
			if !isFreeKey(key) {
				return optionError("WithHeaders", "%q is not the name of a header that can be recorded", n)
			}
			c.headers = append(c.headers, recordedHeader{name: name, key: key})
		}
		return nil
	}
}

// WithFormFields records fields of submitted forms (urlencoded or multipart),
// as attributes admin.form.<name>. A field is found if the handler reads the
// form, and if it is within the first 64 KiB of the body; nothing is
// read ahead. Names that look like a secret's are refused.
func WithFormFields(names ...string) Option {
	return func(c *config) error {
		fields, err := formFieldsOf(names)
		if err != nil {
			return optionError("WithFormFields", "%w", err)
		}
		c.formFields = append(c.formFields, fields...)
		return nil
	}
}

// WithSessionID records which session a request belongs to. id returns the
// session's secret, or "" if there is none; what is recorded is its
// HMAC-SHA256 under key, of which 16 bytes or more are needed. With another
// key the same session looks like another one. [SessionHash] makes the same, for
// who wants to find a session again.
func WithSessionID(id func(*http.Request) string, key []byte) Option {
	return func(c *config) error {
		if id == nil {
			return optionError("WithSessionID", "function is nil")
		}
		if len(key) < 16 {
			return optionError("WithSessionID", "key has %d bytes: want 16 or more", len(key))
		}
		c.session = newSession(id, key)
		return nil
	}
}

// WithRequestIDHeader sets the header that carries the request id: it is set
// in every response, and believed in requests from trusted proxies. Default:
// X-Request-Id. With "" the id is in the record only. An id that a handler sets
// in the header is taken over into the record.
func WithRequestIDHeader(name string) Option {
	return func(c *config) error {
		if strings.ContainsAny(name, " \t\r\n:") {
			return optionError("WithRequestIDHeader", "%q is not the name of a header", name)
		}
		c.requestIDHeader = textproto.CanonicalMIMEHeaderKey(name)
		return nil
	}
}

// WithFilter leaves the requests that rule means out of the record: health
// checks, assets. name says in the counter of filtered requests which filter
// it was; several rules may share a name.
//
// There is no sampling: an audit trail with gaps proves nothing.
func WithFilter(name string, rule Rule) Option {
	return func(c *config) error {
		if name == "" {
			return optionError("WithFilter", "empty name given")
		}
		if err := rule.check(); err != nil {
			return optionError("WithFilter", "%s: %w", name, err)
		}
		c.filters = append(c.filters, namedFilter{name: name, Rule: rule})
		return nil
	}
}

// WithStrict makes the requests that rule means wait until they are on record:
// an event of stage "started" must be on disk (synced) before the request is
// handled. If that cannot be had in time, the request is not handled but
// answered with 503, Retry-After and its request id. It needs a provider that
// is an [adminsessions.Sink], given with [WithLoggerProvider].
func WithStrict(rule Rule) Option {
	return func(c *config) error {
		if err := rule.check(); err != nil {
			return optionError("WithStrict", "%w", err)
		}
		c.strict = append(c.strict, rule)
		return nil
	}
}

// WithStrictTimeout sets how long a strict request waits for its record.
// Default: two seconds.
func WithStrictTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return optionError("WithStrictTimeout", "%v: want more than 0", d)
		}
		c.strictTimeout = d
		return nil
	}
}

// WithStartedAfter sets after what time a request that still runs is recorded
// as started. Default: ten seconds.
func WithStartedAfter(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return optionError("WithStartedAfter", "%v: want more than 0", d)
		}
		c.startedAfter = d
		return nil
	}
}

// WithMetrics sets where the middleware counts: an instrumentationmetrics.Collector,
// which shows the numbers to Prometheus. Middlewares with the same one count
// together.
func WithMetrics(m interface{ Counters() *counters.Set }) Option {
	return func(c *config) error {
		if m != nil {
			c.metrics = m.Counters()
		}
		return nil
	}
}

// WithLogger sets where the middleware says what goes wrong, at most a line in
// ten seconds. Default: [slog.Default]; a logger with [slog.DiscardHandler] says
// nothing.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		c.logger = l
		return nil
	}
}

// WithAnonymousLimit sets how many requests of one address that nobody is
// signed in to are recorded one by one in ten seconds, attempts to sign in apart
// from others; default 30. All addresses together have ten
// times as many. What goes beyond is folded into counted records: one for each
// address and kind of request, every ten seconds. Requests of somebody who is
// signed in are always recorded one by one.
func WithAnonymousLimit(n int) Option {
	return func(c *config) error {
		if n < 1 || n > maxAnonymousLimit {
			return optionError("WithAnonymousLimit", "must be 1 to %d (got %d)", maxAnonymousLimit, n)
		}
		c.anonymousLimit = n
		return nil
	}
}

// WithClock sets the clock of the records. Default: [time.Now].
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		c.clock = now
		return nil
	}
}
