package instrumentation

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
	"github.com/adminsessions/adminsessions/internal/redact"
)

type config struct {
	provider        log.LoggerProvider // nil for the global one
	otelhttp        bool
	otelhttpOptions []otelhttp.Option
	metrics         *counters.Set
	logger          *slog.Logger
	clock           func() time.Time

	admin      func(*http.Request) adminsessions.User
	actor      func(*http.Request) adminsessions.Actor
	typeOf     func(*http.Request) adminsessions.Type
	geo        func(netip.Addr) adminsessions.Geo
	actions    func(method, route string) string
	session    *session
	headers    []recordedHeader
	formFields []formField

	proxies         proxies
	truncation      truncation
	redaction       redact.Redactor
	hiddenNames     []string // what redaction was told, for the policy in words
	shownNames      []string
	hiddenPaths     []string
	signIn          signInNames
	requestIDHeader string

	bodyFields []bodyField
	bodyHash   bool

	rules         *Policy
	filters       []namedFilter
	reasons       []Rule
	strict        []Rule
	strictTimeout time.Duration
	startedAfter  time.Duration

	anonymousLimit int
}

type namedFilter struct {
	name string
	Rule
	matched *atomic.Int64 // how many requests
}

func newConfig(opts []Option) (config, error) {
	c := config{
		requestIDHeader: defaultRequestIDHeader,
		strictTimeout:   defaultStrictTimeout,
		startedAfter:    defaultStartedAfter,
		anonymousLimit:  defaultAnonymousLimit,
	}
	var errs []error
	for _, opt := range opts {
		if opt != nil {
			errs = append(errs, opt(&c))
		}
	}
	if c.metrics == nil {
		c.metrics = counters.New()
	}
	for i := range c.filters {
		c.filters[i].matched = c.metrics.Filter(c.filters[i].name)
	}
	if c.rules != nil {
		c.rules.count(c.metrics)
	}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	errs = append(errs, c.proxies.check(&c))
	c.signIn.complete()
	c.redaction.Remember()
	if len(c.strict) > 0 || c.rules != nil && slices.ContainsFunc(c.rules.rules, func(r policyRule) bool { return r.Strict }) {
		if _, ok := c.provider.(adminsessions.Sink); !ok {
			errs = append(errs, optionError("WithStrict", "needs a provider that can say whether a record is safe, "+
				"as package exporter's can: give it with WithLoggerProvider (got %s)", describe(c.provider)))
		}
	}
	return c, errors.Join(errs...)
}

func describe(p log.LoggerProvider) string {
	if p == nil {
		return "the global one"
	}
	return fmt.Sprintf("%T", p)
}

func optionError(option, format string, args ...any) error {
	return fmt.Errorf("instrumentation: "+option+": "+format, args...)
}
