package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/notary"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/trailevents"
	"github.com/adminsessions/adminsessions/proof"
)

// Exporter takes events and log records into its spool and ships them to Loki.
// Make one with [New], give it events through [Exporter.LoggerProvider] or as an
// [adminsessions.Sink], records as a processor of any sdklog.LoggerProvider, and
// end it with Shutdown. Its methods may be called from many goroutines at once.
type Exporter struct {
	cfg      *config
	spool    *spool.Log
	shipper  *shipper
	metrics  *metrics
	trail    *trailevents.Recorder
	notary   *notary.Notary // nil without a key
	provider *LoggerProvider

	// labels are those of the resource of LoggerProvider; other holds those of
	// the resource seen last by OnEmit.
	labels string
	other  atomic.Pointer[resourceLabels]

	policy       sync.Mutex // held while a policy is recorded
	emitErrors   sync.Mutex // guards emitErrorsAt
	emitErrorsAt loglimit.Limit

	stop     context.CancelFunc // ends the shipper and the trail
	running  sync.WaitGroup     // their goroutines
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

var (
	_ sdklog.Processor   = (*Exporter)(nil)
	_ adminsessions.Sink = (*Exporter)(nil)
)

// New reads the environment and the options, opens the spool and starts
// shipping. It does not wait for Loki: a Loki that is away is no reason not to
// start. It fails if the configuration is wrong, with an error for each field,
// or if the spool can't be opened, for instance because another process has it
// and keeps it for longer than [WithSpoolLockTimeout].
func New(opts ...Option) (*Exporter, error) {
	c, err := newConfig(opts, os.Getenv)
	client, lokiErr := loki.New(c.loki, os.Getenv)
	if err := errors.Join(err, lokiErr); err != nil {
		return nil, fmt.Errorf("exporter configuration: %w", err)
	}
	return start(c, client)
}

// start opens the spool and starts the shipper.
func start(c *config, client lokiClient) (*Exporter, error) {
	x := &Exporter{cfg: c, metrics: newMetrics()}
	x.trail = trailevents.New(trailevents.Config{
		Record: x.recordTrail, Refusing: func() bool { return x.spool.Refusing() != "" }, Now: c.now,
	})
	if c.proof.on() {
		x.notary = notary.New(x.notaryConfig())
	}
	if err := x.openSpool(); err != nil {
		return nil, fmt.Errorf("opening the spool in %s: %w", c.spoolDir, err)
	}
	x.labels = streamLabels(x.spool.ID(), c.resource)
	x.provider = &LoggerProvider{
		LoggerProvider: sdklog.NewLoggerProvider(sdklog.WithProcessor(x), sdklog.WithResource(c.resource)),
		exporter:       x,
	}
	x.shipper = newShipper(c, x.spool, x.metrics, x.trail, x.notary, client)
	ctx, cancel := context.WithCancel(context.Background())
	x.stop = cancel
	if err := x.startProof(ctx, client); err != nil {
		cancel()
		return nil, errors.Join(err, x.spool.Close())
	}
	x.trail.Started(trailevents.Start{
		Opened: x.spool.Opened(), Folder: absolute(c.spoolDir), Sync: string(c.sync), Full: string(c.full),
		Encrypted: len(c.spoolKeys) > 0, Proof: c.proof.words(),
	})
	x.running.Go(func() { x.shipper.run(ctx) })
	x.running.Go(func() { x.trail.Run(ctx) })
	return x, nil
}

// openSpool opens the spool. The tree is read in the middle of that: the folder is
// this process's by then, and the tree says up to where events are in it.
func (x *Exporter) openSpool() (err error) {
	o := x.cfg.spoolOptions()
	o.OnDrop, o.OnDamage = x.dropped, x.damaged
	if x.notary != nil {
		o.Seen, o.BeforeRemove = x.notary.Seen, x.notary.BeforeRemove
	}
	var foundErr error
	if tell := x.cfg.found; tell != nil {
		o.Found = func(v *spool.View) { foundErr, x.cfg.found = tellFound(v, tell), nil }
	}
	if x.spool, err = spool.Open(o); err == nil && foundErr != nil {
		err = errors.Join(foundErr, x.spool.Close())
	}
	return err
}

// dropped notes that the spool has refused an event. The spool logs it, now and
// then.
func (x *Exporter) dropped(r spool.Reason, number uint64) {
	x.metrics.dropped.add(string(r))
	x.notary.Absent(number, number, string(r))
	x.trail.Dropped(r, number)
}

// damaged notes damage of the spool.
func (x *Exporter) damaged(d spool.Damage) {
	if d.Reason == spool.DamageCopied {
		x.spoolLost(lostCopied, "the spool is a copy, or was restored from one; events from here on are in a log of their own", nil)
	}
	x.notary.Absent(d.First, d.Last, proof.Damaged)
	x.trail.Damaged(d)
	x.metrics.damage.add(string(d.Reason))
	x.metrics.damagedRecords.Add(d.Records)
	x.metrics.damagedBytes.Add(uint64(max(0, d.Bytes)))
}

// spoolLost counts a log that nobody has ended, and has it recorded.
func (x *Exporter) spoolLost(reason, words string, before *proof.Predecessor) {
	x.metrics.logsLost.add(reason)
	x.trail.SpoolLost(reason, words, before)
}

// recordTrail writes one of the trail's own events into the spool.
func (x *Exporter) recordTrail(ev *adminsessions.Event) error {
	return x.RecordEvent(context.Background(), ev, adminsessions.Spooled)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// RecordEvent writes an event to the spool. With [adminsessions.Spooled] it
// returns once the event survives the death of the process, with
// [adminsessions.Synced] once it survives a power cut, or with an error when
// ctx is done before. Events of which nobody is known to be the author have a
// quarter of the spool, so that a flood of them leaves room for the others.
func (x *Exporter) RecordEvent(ctx context.Context, ev *adminsessions.Event, d adminsessions.Durability) error {
	p := newPayload(x.labels)
	defer p.release()
	p.buf = ev.AppendLine(p.buf)
	return x.append(ctx, ev.Time, p, d, ev.Anonymous())
}

// Enabled reports that every record is wanted.
func (x *Exporter) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// OnEmit writes a record to the spool. The body of one that was made by
// [adminsessions.Event.Record] is its line; any other record becomes an event
// with its attributes, and its body as the note. It returns once the record
// survives the death of the process (with [SyncAlways], a power cut); it never
// waits for Loki.
//
// An error means that the record is lost, and why: the spool or the disk is full,
// or the disk fails. Each loss is counted, but at most one a minute is returned,
// because the SDK writes each to standard error.
//
// The record's resource gives Loki's labels: service.name, service.instance.id
// and deployment.environment.name.
func (x *Exporter) OnEmit(ctx context.Context, r *sdklog.Record) error {
	p := newPayload(x.labelsOf(r.Resource()))
	defer p.release()
	line, ev, ok := lineOf(r)
	if ok {
		p.buf = append(p.buf, line...)
	} else {
		ev = eventOf(r)
		p.buf = ev.AppendLine(p.buf)
	}
	t := r.Timestamp()
	if t.IsZero() {
		t = r.ObservedTimestamp()
	}
	err := x.append(ctx, t, p, adminsessions.Spooled, ok && ev.Anonymous())
	if err == nil {
		return nil
	}
	x.emitErrors.Lock()
	defer x.emitErrors.Unlock()
	n, tell := x.emitErrorsAt.Allow(x.cfg.now(), time.Minute)
	if !tell {
		return nil
	}
	if n > 0 {
		err = fmt.Errorf("%w; %d more since the last such error", err, n)
	}
	return err
}

func (x *Exporter) labelsOf(r *resource.Resource) string {
	if r == nil || r == x.cfg.resource {
		return x.labels
	}
	if o := x.other.Load(); o != nil && o.resource == r {
		return o.labels
	}
	o := &resourceLabels{r, streamLabels(x.spool.ID(), r)}
	x.other.Store(o)
	return o.labels
}

func (x *Exporter) append(ctx context.Context, t time.Time, p *payload, d adminsessions.Durability, anonymous bool) error {
	if t.IsZero() {
		t = x.cfg.now()
	}
	err := x.appendPayload(ctx, t, p.buf, d, anonymous)
	if err == nil {
		x.accepted(p)
		return nil
	}
	if notDurable, ok := errors.AsType[*spool.NotDurableError](err); ok && notDurable.Rec.Seq != 0 {
		x.accepted(p) // it is in the spool all the same
	}
	if _, ok := errors.AsType[*spool.RefusedError](err); ok {
		return fmt.Errorf("spooling an event: %w: %w", adminsessions.ErrRefused, err)
	}
	return fmt.Errorf("spooling an event: %w", err)
}

// appendPayload appends to the spool. Unless the caller asked for Synced, its
// context is left out: that of a request whose client has gone is done, and its
// record counts all the same. What bounds the wait then is the block timeout.
func (x *Exporter) appendPayload(ctx context.Context, t time.Time, payload []byte, d adminsessions.Durability, anonymous bool) (err error) {
	var opts []spool.AppendOption
	if anonymous {
		opts = append(opts, spool.Limited)
	}
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

func (x *Exporter) accepted(p *payload) {
	x.metrics.accepted.Add(1)
	if p.cut() {
		x.metrics.cut.Add(1)
	}
}

// ForceFlush pushes what has been recorded before it was called, without waiting
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
	return x.shipper.flush(ctx, x.spool.NextSeq()-1, lastTry, false)
}

// Sync returns once everything that was recorded before it was called survives a
// power cut: in the spool, or because Loki has it. One Sync after many events is
// cheaper than recording each of them with [adminsessions.Synced].
func (x *Exporter) Sync(ctx context.Context) error {
	if err := x.spool.Durable(ctx); err != nil {
		return fmt.Errorf("syncing the spool: %w", err)
	}
	return nil
}

// BeforeShutdown has f called when the exporter shuts down, before it refuses
// events: f may record what it has kept back. If the exporter is shutting down
// already, f is called at once.
func (x *Exporter) BeforeShutdown(f func()) {
	x.beforeMu.Lock()
	if !x.ending {
		x.before = append(x.before, f)
		x.beforeMu.Unlock()
		return
	}
	x.beforeMu.Unlock()
	f()
}

// Shutdown makes one attempt to deliver what is in the spool, and closes it;
// from then on events are refused. What Loki does not take now stays in the spool,
// and the next start delivers it; that is logged, and no error. Shutdown takes no
// longer than ctx allows, and less if Loki is away. The error is ctx's, or the
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
	x.trail.Stopped()
	flushErr := x.flush(ctx, true)
	if flushErr == nil {
		flushErr = x.seal(ctx)
	}
	x.stop()
	x.running.Wait()
	left := x.spool.Backlog()
	closeErr := errors.Join(x.shipper.reader.Close(), x.spool.Close(), x.notary.Close())
	if left > 0 {
		x.tellOfBacklog(left, errors.Join(flushErr, closeErr))
	}
	if errors.Is(flushErr, errBacklog) {
		flushErr = nil
	}
	if closeErr != nil {
		return errors.Join(flushErr, fmt.Errorf("closing the spool: %w", closeErr))
	}
	return flushErr
}

// tellOfBacklog says what becomes of events that are not delivered.
func (x *Exporter) tellOfBacklog(events uint64, reason error) {
	args := []any{"events", events, "directory", x.cfg.spoolDir, "reason", reason}
	if files, _ := filepath.Glob(filepath.Join(x.cfg.spoolDir, "*.seg")); len(files) == 0 {
		x.cfg.logger.Error("the exporter ends with events that are not delivered, and their files are gone from the spool: they are lost", args...)
		return
	}
	x.cfg.logger.Warn("the exporter ends with events in its spool; the next start delivers them", args...)
}
