package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafana/loki-client-go/pkg/backoff"
	promconfig "github.com/prometheus/common/config"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// Exporter takes log records into its spool and ships them to Loki. Make one
// with [New], give it records through [Exporter.LoggerProvider] (the direct
// way) or as a processor of any sdklog.LoggerProvider, and end it with
// Shutdown. Its methods may be called from many goroutines at once.
//
// As the SDK asks of every processor, register it once, with one provider.
type Exporter struct {
	cfg     *config
	spool   *spool.Log
	shipper *shipper
	metrics *metrics

	// labels of the resource of LoggerProvider.
	resource *resource.Resource
	labels   string
	// other holds the labels of the resource seen last by OnEmit.
	other atomic.Pointer[resourceLabels]

	stop     context.CancelFunc // ends the shipper
	running  sync.WaitGroup     // the shipper's goroutine
	shutdown sync.Once
	done     error // what Shutdown returned; written in shutdown

	beforeMu sync.Mutex
	before   []func() // called when Shutdown begins
	ending   bool
}

type resourceLabels struct {
	resource *resource.Resource
	labels   string
}

var _ sdklog.Processor = (*Exporter)(nil)

// New reads the environment and the options, opens the spool and starts
// shipping. It does not wait for Loki: a Loki that is away is no reason not to
// start. It fails if the configuration is wrong, with an error for each field,
// or if the spool can't be opened, for instance because another process has it.
func New(opts ...Option) (*Exporter, error) {
	c, err := newConfig(opts, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	client, err := promconfig.NewClientFromConfig(c.http, defaultClientName)
	if err != nil {
		return nil, fmt.Errorf("exporter configuration: http client: %w", err)
	}
	p := &pusher{client: client, url: c.endpoint.String(), tenant: c.tenant, timeout: c.timeout}
	return start(c, p.push)
}

// start opens the spool and starts the shipper over push.
func start(c *config, push func(context.Context, []byte) answer) (*Exporter, error) {
	m, err := newMetrics(c.registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the exporter's metrics: %w", err)
	}
	so := c.spoolOptions()
	so.OnDrop = func(r spool.Reason, _ uint64) { m.dropped.WithLabelValues(string(r)).Inc() }
	so.OnDamage = func(d spool.Damage) {
		m.damage.WithLabelValues(string(d.Reason)).Inc()
		m.damagedRecords.Add(float64(d.Records))
		m.damagedBytes.Add(float64(d.Bytes))
	}
	log, err := spool.Open(so)
	if err != nil {
		return nil, fmt.Errorf("opening the spool in %s: %w", c.spoolDir, err)
	}
	res := c.resource
	if res == nil {
		res = resource.Default()
	}
	x := &Exporter{cfg: c, spool: log, metrics: m, resource: res, labels: streamLabels(res)}
	x.shipper = newShipper(c, log, m, push)
	if c.registerer != nil {
		if err := c.registerer.Register(&spoolCollector{stats: log.Stats}); err != nil {
			return nil, errors.Join(fmt.Errorf("registering the exporter's metrics: %w", err), log.Close())
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.stop = cancel
	x.running.Go(func() { x.shipper.run(ctx) })
	return x, nil
}

func newShipper(c *config, log *spool.Log, m *metrics, push func(context.Context, []byte) answer) *shipper {
	s := &shipper{
		log: c.logger, metrics: m, spool: log, reader: log.Reader(), push: push,
		quarantine: newQuarantine(c.spoolDir), now: c.now,
		batchBytes: c.batchBytes, batchEvents: maxBatchEvents, batchWait: c.batchWait,
		maxInFlight: c.maxInFlight, limit: c.batchBytes,
		flushes: make(chan *flushRequest),
		ended:   make(chan struct{}),
		jobs:    make(chan job, c.maxInFlight),
		results: make(chan result, c.maxInFlight),
	}
	s.circuit.backoff = backoff.New(context.Background(), c.backoff)
	for range c.maxInFlight + 1 { // those under way, and the one being filled
		s.free = append(s.free, newBatch(log.ID(), c.lines))
	}
	return s
}

// Enabled reports that every record is wanted.
func (x *Exporter) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// OnEmit writes a record to the spool. It returns once the record survives the
// death of the process (with [SyncAlways], a power cut); it never waits for
// Loki. An error means that the record is lost, and why: the spool or the disk
// is full, or the disk fails. It is counted in
// adminsessions_exporter_events_dropped_total.
//
// The record's resource gives Loki's labels: service.name, service.instance.id
// and deployment.environment.name. Other attributes of the resource are not
// sent; they would be repeated with every record.
func (x *Exporter) OnEmit(ctx context.Context, r *sdklog.Record) error {
	e := newEncoder(x.labelsOf(r.Resource()))
	defer e.release()
	e.record(r)
	t := r.Timestamp()
	if t.IsZero() {
		t = r.ObservedTimestamp()
	}
	return x.append(ctx, t, e, adminsessions.Spooled)
}

func (x *Exporter) labelsOf(r *resource.Resource) string {
	if r == nil || r == x.resource {
		return x.labels
	}
	if o := x.other.Load(); o != nil && o.resource == r {
		return o.labels
	}
	o := &resourceLabels{r, streamLabels(r)}
	x.other.Store(o)
	return o.labels
}

func (x *Exporter) append(ctx context.Context, t time.Time, e *encoder, d adminsessions.Durability, opts ...spool.AppendOption) error {
	if t.IsZero() {
		t = x.cfg.now()
	}
	if err := x.spoolPayload(ctx, t, e.finish(), d, opts...); err != nil {
		if notDurable, ok := errors.AsType[*spool.NotDurableError](err); ok && notDurable.Rec.Seq != 0 {
			x.accepted(e) // it is in the spool all the same
		}
		if _, ok := errors.AsType[*spool.RefusedError](err); ok {
			return fmt.Errorf("spooling an event: %w: %w", adminsessions.ErrRefused, err)
		}
		return fmt.Errorf("spooling an event: %w", err)
	}
	x.accepted(e)
	return nil
}

// spoolPayload appends to the spool. Unless the caller asked for Synced, its
// context is left out: that of a request whose client has gone is done, and its
// record counts all the same. What bounds the wait then is the block timeout.
func (x *Exporter) spoolPayload(ctx context.Context, t time.Time, payload []byte, d adminsessions.Durability, opts ...spool.AppendOption) error {
	var err error
	switch {
	case d == adminsessions.Synced:
		_, err = x.spool.AppendSync(ctx, t, payload, opts...)
	case x.cfg.sync == SyncAlways:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.cfg.blockTimeout)
		defer cancel()
		_, err = x.spool.AppendSync(ctx, t, payload, opts...)
	default:
		_, err = x.spool.Append(context.Background(), t, payload, opts...)
	}
	return err
}

func (x *Exporter) accepted(e *encoder) {
	x.metrics.accepted.Inc()
	if len(e.truncated) > 0 {
		x.metrics.truncated.Inc()
	}
}

// ForceFlush pushes what has been emitted before it was called, without waiting
// for a batch to fill, and returns when Loki has acknowledged it. While Loki is
// away it blocks until ctx is done and returns its error; nothing is lost by
// that.
func (x *Exporter) ForceFlush(ctx context.Context) error {
	if err := x.flush(ctx, false); err != nil {
		return fmt.Errorf("flushing to loki: %w", err)
	}
	return nil
}

func (x *Exporter) flush(ctx context.Context, lastTry bool) error {
	// The spool's reader shows only what is synced.
	if err := x.spool.Sync(ctx); err != nil {
		return err
	}
	return x.shipper.flush(ctx, x.spool.NextSeq()-1, lastTry)
}

// Shutdown makes one attempt to deliver what is in the spool, and closes it;
// from then on records are refused. What Loki does not take now stays in the spool, and the
// next start delivers it; that is logged, and no error. Shutdown takes no longer
// than ctx allows, and less if Loki is away. The error is ctx's, or the
// spool's if it could not be synced. Further calls return the same.
func (x *Exporter) Shutdown(ctx context.Context) error {
	x.shutdown.Do(func() { x.done = x.end(ctx) })
	return x.done
}

func (x *Exporter) end(ctx context.Context) error {
	x.beforeMu.Lock()
	before := x.before
	x.ending = true
	x.beforeMu.Unlock()
	for _, f := range before {
		f()
	}
	flushErr := x.flush(ctx, true)
	x.stop()
	x.running.Wait()
	if left := x.spool.Backlog(); left > 0 {
		x.cfg.logger.Warn("the exporter ends with events in its spool; the next start delivers them",
			"events", left, "directory", x.cfg.spoolDir, "reason", flushErr)
	}
	if errors.Is(flushErr, errBacklog) {
		flushErr = nil
	}
	if err := errors.Join(x.shipper.reader.Close(), x.spool.Close()); err != nil {
		return errors.Join(flushErr, fmt.Errorf("closing the spool: %w", err))
	}
	return flushErr
}
