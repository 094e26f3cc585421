package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
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
	// DropWhenFull refuses the event that finds no room: it is lost and
	// counted, and its sequence number stays unused, so that the gap shows. The
	// default.
	DropWhenFull FullPolicy = "drop"
	// BlockWhenFull makes the request wait for room, at most the block timeout,
	// and refuses its event only then.
	BlockWhenFull FullPolicy = "block"
)

const (
	defaultBatchWait    = 250 * time.Millisecond
	defaultBatchBytes   = 2 << 20
	defaultMinBackoff   = 100 * time.Millisecond
	defaultMaxBackoff   = 30 * time.Second
	defaultSyncInterval = time.Second
	defaultSpoolLimit   = 1 << 30
	defaultLockTimeout  = 15 * time.Second
	defaultBlockTimeout = 2 * time.Second

	minBatchBytes   = 64 << 10
	maxBatchBytes   = 4<<20 - 64<<10 // Loki's gRPC message limit, less room for its own frame
	maxBatchWait    = time.Minute
	maxBatchEvents  = 4000
	maxBatchStreams = 32
	minSpoolLimit   = 1 << 20
)

// config is what the options and the environment say.
type config struct {
	loki       adminsessions.Loki
	minBackoff time.Duration
	maxBackoff time.Duration
	batchWait  time.Duration
	batchBytes int

	spoolDir     string
	spoolLimit   int64
	lockTimeout  time.Duration
	sync         SyncPolicy
	syncInterval time.Duration
	full         FullPolicy
	blockTimeout time.Duration

	spoolKeys []*spool.Key
	found     func(t time.Time, line []byte) // nil if nobody asks

	proof Proof

	resource *resource.Resource
	logger   *slog.Logger
	now      func() time.Time
	remove   func(file string) error
	step     func(name string) // called between steps that a process's death may part
	errs     []error
}

// Option sets one thing of an [Exporter]. What an option sets wins over the
// environment.
type Option func(*config)

// WithLoki says how Loki is reached. What is zero in it is read from the
// ADMINSESSIONS_LOKI_ variables. Default: Loki at http://127.0.0.1:3100.
func WithLoki(l adminsessions.Loki) Option { return func(c *config) { c.loki = l } }

// WithBackoff sets the pauses between attempts while Loki does not take events:
// from shortest (1 ms to 1 hour, default 100 ms), doubled with jitter, to longest
// (default 30 s). The number of attempts has no limit.
func WithBackoff(shortest, longest time.Duration) Option {
	return func(c *config) { c.minBackoff, c.maxBackoff = shortest, longest }
}

// WithBatch sets when a batch is pushed: wait after its first event (0 to 1
// minute, default 250 ms) or at size uncompressed bytes (64 KiB to 3.9 MiB,
// default 2 MiB), or at 4,000 events.
func WithBatch(wait time.Duration, size int) Option {
	return func(c *config) { c.batchWait, c.batchBytes = wait, size }
}

// WithSpoolDir sets the folder of the spool. Required, here or by
// ADMINSESSIONS_SPOOL_DIR. It is made if need be (mode 0700), holds personal
// data, and belongs to one process at a time. It must outlive the process: on a
// container, a volume.
func WithSpoolDir(dir string) Option { return func(c *config) { c.spoolDir = dir } }

// WithSpoolLimit sets how many bytes the spool may take, at least 1 MiB, default
// 1 GiB: about 1.5 million events. ADMINSESSIONS_SPOOL_LIMIT.
func WithSpoolLimit(bytes int64) Option { return func(c *config) { c.spoolLimit = bytes } }

// WithSpoolLockTimeout sets how long [New] waits for another process to leave the
// spool's folder, as in a rolling update: 0 (it fails at once) to 1 hour, default
// 15 s. ADMINSESSIONS_SPOOL_LOCK_TIMEOUT, in milliseconds.
func WithSpoolLockTimeout(d time.Duration) Option { return func(c *config) { c.lockTimeout = d } }

// WithSpoolKeys encrypts the events in the spool and in quarantine, with AES-256-GCM:
// who has the disk can neither read nor forge them. Each key is 32 random bytes. The
// first one encrypts, the others only read: a key is replaced by putting the new one
// before it, and left out when the spool has been emptied. A spool that had no key
// goes on, encrypted from then on. Without the key it can't be opened. Default: the
// keys in base64, one a line, in the file ADMINSESSIONS_SPOOL_KEY_FILE, in
// ADMINSESSIONS_SPOOL_KEY, or written by the command
// ADMINSESSIONS_SPOOL_KEY_COMMAND; none of them set, the spool is not encrypted.
func WithSpoolKeys(keys ...[]byte) Option {
	return func(c *config) {
		c.spoolKeys = nil
		for i, b := range keys {
			k, err := spool.NewKey(b)
			if err != nil {
				c.fail("WithSpoolKeys: number %d has %d bytes; want %d", i+1, len(b), spool.KeyBytes)
				continue
			}
			c.spoolKeys = append(c.spoolKeys, k)
		}
	}
}

// WithFound has [New] call f with the events that an earlier process has left in
// the spool's files, delivered or not, oldest first, before any of it is removed:
// the time that each was recorded with, and its line. So who takes events from
// others can tell which of them he has taken before he was killed. The files of
// the newest events are always there; of a long backlog it is the newest 64 MiB.
// line is valid during the call.
func WithFound(f func(t time.Time, line []byte)) Option { return func(c *config) { c.found = f } }

// WithSync sets the sync policy, default [SyncInterval]. ADMINSESSIONS_SPOOL_SYNC.
func WithSync(p SyncPolicy) Option { return func(c *config) { c.sync = p } }

// WithSyncInterval sets the interval of [SyncInterval], 1 ms to 1 minute, default
// 1 s. ADMINSESSIONS_SPOOL_SYNC_INTERVAL, in milliseconds.
func WithSyncInterval(d time.Duration) Option { return func(c *config) { c.syncInterval = d } }

// WithFullPolicy sets what happens when the spool is full, default
// [DropWhenFull]. ADMINSESSIONS_SPOOL_FULL.
func WithFullPolicy(p FullPolicy) Option { return func(c *config) { c.full = p } }

// WithBlockTimeout sets how long a request waits under [BlockWhenFull], 1 ms to 1
// hour, default 2 s. ADMINSESSIONS_SPOOL_BLOCK_TIMEOUT, in milliseconds.
func WithBlockTimeout(d time.Duration) Option { return func(c *config) { c.blockTimeout = d } }

// WithResource sets the resource of [Exporter.LoggerProvider]. Its service.name,
// service.instance.id and deployment.environment.name become Loki's labels.
// What it lacks is filled in: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES by
// the SDK, then the executable's name and the host's name.
func WithResource(r *resource.Resource) Option { return func(c *config) { c.resource = r } }

// WithLogger sets where the exporter says what an operator should know: Loki
// away and back, events lost, refused or in quarantine, damage, clocks that
// differ. Default slog.Default(). Events themselves are never logged.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// newConfig returns the configuration also where it is wrong.
func newConfig(opts []Option, getenv func(string) string) (*config, error) {
	c := &config{
		minBackoff:   defaultMinBackoff,
		maxBackoff:   defaultMaxBackoff,
		batchWait:    defaultBatchWait,
		batchBytes:   defaultBatchBytes,
		spoolLimit:   defaultSpoolLimit,
		lockTimeout:  defaultLockTimeout,
		sync:         SyncInterval,
		syncInterval: defaultSyncInterval,
		full:         DropWhenFull,
		blockTimeout: defaultBlockTimeout,
		now:          time.Now,
		remove:       os.Remove,
		step:         func(string) {},
	}
	c.readEnvironment(getenv)
	for _, o := range opts {
		o(c)
	}
	c.readProof(getenv)
	c.readSpoolKeys(getenv)
	c.validate()
	c.validateProof()
	return c, errors.Join(c.errs...)
}

// readEnvironment reads the spool's variables; those of Loki are read with the
// rest of its configuration. A value that can't be used fails the start: an audit
// trail must not run on a misunderstanding.
func (c *config) readEnvironment(getenv func(string) string) {
	read := func(name string, set func(string) error) {
		name = "ADMINSESSIONS_SPOOL_" + name
		if v := strings.TrimSpace(getenv(name)); v != "" {
			if err := set(v); err != nil {
				c.fail("%s: %q; want %w", name, v, err)
			}
		}
	}
	milliseconds := func(name string, d *time.Duration) {
		read(name, func(v string) error {
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil {
				return errors.New("a whole number of milliseconds")
			}
			*d = time.Duration(n) * time.Millisecond
			return nil
		})
	}
	read("DIR", func(v string) error { c.spoolDir = v; return nil })
	read("LIMIT", func(v string) (err error) {
		if c.spoolLimit, err = strconv.ParseInt(v, 10, 64); err != nil {
			return errors.New("a whole number of bytes")
		}
		return nil
	})
	milliseconds("LOCK_TIMEOUT", &c.lockTimeout)
	read("SYNC", func(v string) error { c.sync = SyncPolicy(v); return nil })
	milliseconds("SYNC_INTERVAL", &c.syncInterval)
	read("FULL", func(v string) error { c.full = FullPolicy(v); return nil })
	milliseconds("BLOCK_TIMEOUT", &c.blockTimeout)
}

func (c *config) readSpoolKeys(getenv func(string) string) {
	if len(c.spoolKeys) > 0 {
		return
	}
	keys, err := spool.KeysFromEnvironment(getenv)
	if err != nil {
		c.fail("%w", err)
	}
	c.spoolKeys = keys
}

func (c *config) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *config) validate() {
	between(c, "WithBackoff: shortest pause", c.minBackoff, time.Millisecond, time.Hour)
	between(c, "WithBackoff: longest pause", c.maxBackoff, max(c.minBackoff, time.Millisecond), time.Hour)
	between(c, "WithBatch: wait", c.batchWait, 0, maxBatchWait)
	between(c, "WithBatch: size", c.batchBytes, minBatchBytes, maxBatchBytes)
	if c.spoolDir == "" {
		c.fail("WithSpoolDir: not set; give it, or ADMINSESSIONS_SPOOL_DIR, a folder on a disk that outlives the process")
	}
	if c.spoolLimit < minSpoolLimit {
		c.fail("WithSpoolLimit: %d bytes; want at least %d", c.spoolLimit, minSpoolLimit)
	}
	between(c, "WithSpoolLockTimeout", c.lockTimeout, 0, time.Hour)
	oneOf(c, "WithSync", c.sync, SyncInterval, SyncAlways, SyncNone)
	between(c, "WithSyncInterval", c.syncInterval, time.Millisecond, time.Minute)
	oneOf(c, "WithFullPolicy", c.full, DropWhenFull, BlockWhenFull)
	between(c, "WithBlockTimeout", c.blockTimeout, time.Millisecond, time.Hour)
	if c.logger == nil {
		c.logger = slog.Default()
	}
	if c.resource == nil {
		c.resource = resource.Default()
	}
}

func between[T int | uint64 | time.Duration](c *config, field string, v, low, high T) {
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
		Dir: c.spoolDir, LockTimeout: c.lockTimeout, SyncInterval: c.syncInterval, MaxBytes: c.spoolLimit,
		ReservedBytes: c.spoolLimit / 4 * 3, Keys: c.spoolKeys,
		BlockTimeout: c.blockTimeout, Logger: c.logger, Now: c.now,
	}
	switch c.sync {
	case SyncInterval:
		o.Sync = spool.SyncInterval
	case SyncAlways:
		o.Sync = spool.SyncAlways
	case SyncNone:
		o.Sync = spool.SyncNone
	}
	if c.full == BlockWhenFull {
		o.Full = spool.BlockWhenFull
	}
	return o
}
