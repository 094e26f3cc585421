package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grafana/loki-client-go/pkg/backoff"
	"github.com/grafana/loki-client-go/pkg/urlutil"
	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// SyncPolicy says when spooled events are forced to the disk. An event survives
// the death of the process under every policy; the policy is about power cuts.
type SyncPolicy string

// The sync policies.
const (
	// SyncInterval syncs every sync interval: a power cut takes at most the
	// events of one. The default.
	SyncInterval SyncPolicy = "interval"
	// SyncAlways syncs before an event counts as accepted. Requests that end
	// at the same time share one sync.
	SyncAlways SyncPolicy = "always"
	// SyncNone leaves it to the operating system, about every 30 s on Linux.
	SyncNone SyncPolicy = "none"
)

// FullPolicy says what happens to an event when the spool is at its limit or
// the disk is full.
type FullPolicy string

// The full policies.
const (
	// FullDrop refuses the newest event: it is lost, counted, and its sequence
	// number stays unused, so that the gap shows. The default.
	FullDrop FullPolicy = "drop"
	// FullBlock makes the request wait for room, at most the block timeout.
	FullBlock FullPolicy = "block"
)

// Defaults.
const (
	DefaultEndpoint      = "http://127.0.0.1:3100"
	DefaultTimeout       = 10 * time.Second
	DefaultBatchWait     = 250 * time.Millisecond
	DefaultBatchBytes    = 2 << 20
	DefaultMaxInFlight   = 1
	DefaultMinBackoff    = 100 * time.Millisecond
	DefaultMaxBackoff    = 30 * time.Second
	DefaultSyncEvery     = time.Second
	DefaultSpoolLimit    = 1 << 30
	DefaultBlockTimeout  = 2 * time.Second
	maxBatchEvents       = 4000
	maxBatchStreams      = 32
	maxBatchBytes        = 4<<20 - 64<<10 // Loki's gRPC message limit, less room for its own frame
	maxInFlightBatches   = 16
	defaultClientName    = "adminsessions"
	minSpoolLimit        = 1 << 20
	minBatchBytes        = 64 << 10
	maxBatchWait         = time.Minute
	requiredSpoolMessage = "spool directory: not set; give WithSpoolDir or ADMINSESSIONS_SPOOL_DIR a folder on a disk that outlives the process"
)

// config is what the options and the environment say.
type config struct {
	endpoint    urlutil.URLValue
	tenant      string
	http        promconfig.HTTPClientConfig
	timeout     time.Duration
	backoff     backoff.BackoffConfig
	batchWait   time.Duration
	batchBytes  int
	maxInFlight int
	lines       bool

	spoolDir     string
	sync         SyncPolicy
	syncInterval time.Duration
	spoolLimit   int64
	full         FullPolicy
	blockTimeout time.Duration

	resource   *resource.Resource
	registerer prometheus.Registerer
	logger     *slog.Logger
	now        func() time.Time
	errs       []error
}

// Option sets one thing of an [Exporter]. What an option sets wins over the
// environment.
type Option func(*config)

// WithEndpoint sets Loki's address, such as "https://loki.example:3100": scheme
// http or https, a host, and a path only if Loki is behind one. The push
// endpoint /loki/api/v1/push is added unless the path already ends with
// "/push". Default [DefaultEndpoint]. Credentials belong in
// [WithHTTPClientConfig], not in the address.
func WithEndpoint(address string) Option {
	return func(c *config) { c.setEndpoint("WithEndpoint", address) }
}

// WithTenantID sets the tenant, sent as X-Scope-OrgID. Default none, for a Loki
// with one tenant.
func WithTenantID(id string) Option { return func(c *config) { c.tenant = id } }

// WithHTTPClientConfig sets how Loki is reached: basic auth, a bearer token (from
// a file that may rotate), OAuth 2, TLS with own CA and client certificate,
// proxy, further headers. It is Prometheus' own type, so that a part of a
// configuration file can be used as it is. Default: none of them, redirects not
// followed (a push that is redirected is a wrong address).
func WithHTTPClientConfig(h promconfig.HTTPClientConfig) Option {
	return func(c *config) { c.http = h }
}

// WithTimeout limits one push, from request to answer. Default [DefaultTimeout].
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithBackoff sets the pauses between attempts while Loki does not take events:
// from MinBackoff (default 100 ms), doubled with jitter, to MaxBackoff (default
// 30 s). MaxRetries must be 0: an audit trail is never given up.
func WithBackoff(b backoff.BackoffConfig) Option { return func(c *config) { c.backoff = b } }

// WithBatch sets when a batch is pushed: wait after its first event (0 to 1
// minute, default 250 ms) or at size uncompressed bytes (64 KiB to 3.9 MiB,
// default 2 MiB), or at 4,000 events.
func WithBatch(wait time.Duration, size int) Option {
	return func(c *config) { c.batchWait, c.batchBytes = wait, size }
}

// WithMaxInFlight sets how many pushes may be under way at once, 1 to 16, default
// 1. Events are acknowledged in order whatever it is.
//
// More than one is faster only where Loki is far away, and costs a promise: two
// pushes to one stream that arrive together can stand in Loki's write-ahead log
// in the wrong order, and if that Loki is then killed before it has flushed,
// the replay takes the earlier one for a duplicate and discards it, although it
// was acknowledged (seen with Loki 3.7.8: pkg/ingester/instance.go logs a push
// after it has let go of the stream, stream.go drops a lower counter; its metric
// loki_ingester_wal_discarded_samples_total{reason="duplicate"} tells). Replicas
// that were not killed still have it.
func WithMaxInFlight(n int) Option { return func(c *config) { c.maxInFlight = n } }

// WithLines stores each event's line once more, without its fields, in a stream
// of its own, so that searches over months and millions of events are about
// eight times faster: package viewer uses it (its Config.LinesSince), and the
// Admin Search dashboard. It costs a quarter more disk in Loki and a second,
// smaller push with each batch, and pays from about half a million events in
// the span that people search. Default off; docs/events.md describes the
// streams.
func WithLines() Option { return func(c *config) { c.lines = true } }

// WithSpoolDir sets the folder of the spool. Required. It is made if need be
// (mode 0700), holds personal data, and belongs to one process at a time. It
// must outlive the process: on a container, a volume.
func WithSpoolDir(dir string) Option { return func(c *config) { c.spoolDir = dir } }

// WithSync sets the sync policy, and for [SyncInterval] the interval (1 ms to 1
// minute, default 1 s; 0 takes the default).
func WithSync(p SyncPolicy, interval time.Duration) Option {
	return func(c *config) {
		c.sync = p
		if interval != 0 {
			c.syncInterval = interval
		}
	}
}

// WithSpoolLimit sets how many bytes the spool may take, at least 1 MiB, default
// 1 GiB: about 1.5 million events.
func WithSpoolLimit(bytes int64) Option { return func(c *config) { c.spoolLimit = bytes } }

// WithFullPolicy sets what happens at that limit, and for [FullBlock] how long a
// request waits (default 2 s; 0 takes the default).
func WithFullPolicy(p FullPolicy, blockTimeout time.Duration) Option {
	return func(c *config) {
		c.full = p
		if blockTimeout != 0 {
			c.blockTimeout = blockTimeout
		}
	}
}

// WithResource sets the resource of [Exporter.LoggerProvider]. Its service.name,
// service.instance.id and deployment.environment.name become Loki's labels.
// What it lacks is filled in: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES by
// the SDK, then the executable's name and the host's name.
func WithResource(r *resource.Resource) Option { return func(c *config) { c.resource = r } }

// WithRegisterer registers the exporter's metrics. Default: they are not
// registered.
func WithRegisterer(r prometheus.Registerer) Option { return func(c *config) { c.registerer = r } }

// WithLogger sets where the exporter says what an operator should know: Loki
// away and back, events refused, damage. Default: nothing is said. Events
// themselves are never logged.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

func newConfig(opts []Option, lookupEnv func(string) (string, bool)) (*config, error) {
	c := &config{
		timeout:      DefaultTimeout,
		http:         promconfig.HTTPClientConfig{EnableHTTP2: true},
		backoff:      backoff.BackoffConfig{MinBackoff: DefaultMinBackoff, MaxBackoff: DefaultMaxBackoff},
		batchWait:    DefaultBatchWait,
		batchBytes:   DefaultBatchBytes,
		maxInFlight:  DefaultMaxInFlight,
		sync:         SyncInterval,
		syncInterval: DefaultSyncEvery,
		spoolLimit:   DefaultSpoolLimit,
		full:         FullDrop,
		blockTimeout: DefaultBlockTimeout,
		logger:       slog.New(slog.DiscardHandler),
		now:          time.Now,
	}
	c.setEndpoint("endpoint", DefaultEndpoint)
	c.readEnvironment(lookupEnv)
	for _, o := range opts {
		o(c)
	}
	c.validate()
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("exporter configuration: %w", err)
	}
	return c, nil
}

func (c *config) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *config) setEndpoint(field, address string) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		// The error of url.Parse repeats the address, which may hold a password.
		c.fail("%s: not a URL; want a form like %s", field, DefaultEndpoint)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		c.fail("%s: scheme %q and host %q; want http or https, and a host, like %s", field, u.Scheme, u.Host, DefaultEndpoint)
	case u.User != nil:
		c.fail("%s: holds credentials; give them to WithHTTPClientConfig or ADMINSESSIONS_LOKI_USERNAME and ADMINSESSIONS_LOKI_PASSWORD_FILE", field)
	case u.RawQuery != "" || u.Fragment != "":
		c.fail("%s: has a query or fragment; want scheme, host and at most a path", field)
	default:
		if !strings.HasSuffix(u.Path, "/push") {
			u = u.JoinPath(pushPath)
		}
		c.endpoint = urlutil.URLValue{URL: u}
	}
}

func (c *config) validate() {
	if err := c.http.Validate(); err != nil {
		c.fail("http client: %w", err)
	}
	between(c, "timeout", c.timeout, time.Millisecond, 10*time.Minute)
	between(c, "backoff minimum", c.backoff.MinBackoff, time.Millisecond, time.Hour)
	between(c, "backoff maximum", c.backoff.MaxBackoff, c.backoff.MinBackoff, time.Hour)
	if c.backoff.MaxRetries != 0 {
		c.fail("backoff maximum retries: %d; want 0, an audit trail is never given up", c.backoff.MaxRetries)
	}
	between(c, "batch wait", c.batchWait, 0, maxBatchWait)
	between(c, "batch size", c.batchBytes, minBatchBytes, maxBatchBytes)
	between(c, "pushes in flight", c.maxInFlight, 1, maxInFlightBatches)
	if c.spoolDir == "" {
		c.errs = append(c.errs, errors.New(requiredSpoolMessage))
	}
	oneOf(c, "sync policy", c.sync, SyncInterval, SyncAlways, SyncNone)
	between(c, "sync interval", c.syncInterval, time.Millisecond, time.Minute)
	if c.spoolLimit < minSpoolLimit {
		c.fail("spool limit: %d bytes; want at least %d", c.spoolLimit, minSpoolLimit)
	}
	oneOf(c, "full policy", c.full, FullDrop, FullBlock)
	between(c, "block timeout", c.blockTimeout, time.Millisecond, time.Hour)
	if strings.ContainsAny(c.tenant, "\r\n\x00/\\") || len(c.tenant) > 150 {
		c.fail("tenant: %q; want at most 150 characters that Loki takes in a tenant ID", c.tenant)
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
}

func between[T int | time.Duration](c *config, field string, v, low, high T) {
	if v < low || v > high {
		c.fail("%s: %v; want %v to %v", field, v, low, high)
	}
}

func oneOf[T ~string](c *config, field string, v T, accepted ...T) {
	if !slices.Contains(accepted, v) {
		c.fail("%s: %q; want one of %q", field, v, accepted)
	}
}

func (c *config) spoolOptions() spool.Options {
	o := spool.Options{
		Dir: c.spoolDir, SyncInterval: c.syncInterval, MaxBytes: c.spoolLimit,
		ReservedBytes: c.spoolLimit / 4 * 3,
		BlockTimeout:  c.blockTimeout, Logger: c.logger, Now: c.now,
	}
	switch c.sync {
	case SyncInterval:
		o.Sync = spool.SyncInterval
	case SyncAlways:
		o.Sync = spool.SyncAlways
	case SyncNone:
		o.Sync = spool.SyncNone
	}
	if c.full == FullBlock {
		o.Full = spool.FullBlock
	}
	return o
}
