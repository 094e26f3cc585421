package instrumentation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// destination is where records go: a provider that takes events as they are,
// or any other by way of an OpenTelemetry Logger.
type destination struct {
	sink   adminsessions.Sink // nil if the provider is none, or not known yet
	logger log.Logger
	global bool // the provider is whatever is the global one at the time
}

func newDestination(p log.LoggerProvider) destination {
	d := destination{global: p == nil}
	if d.global {
		p = otel.GetLoggerProvider()
	}
	if !d.global {
		d.sink, _ = p.(adminsessions.Sink)
	}
	d.logger = p.Logger(adminsessions.ScopeName, log.WithInstrumentationVersion(adminsessions.Version))
	return d
}

func (d *destination) currentSink() adminsessions.Sink {
	if d.global {
		s, _ := otel.GetLoggerProvider().(adminsessions.Sink)
		return s
	}
	return d.sink
}

// enabled reports whether records go anywhere. ERROR is the highest severity
// a record has.
func (d *destination) enabled(ctx context.Context) bool {
	return d.currentSink() != nil || d.loggerEnabled(ctx)
}

// loggerEnabled takes a Logger that panics for one that is enabled: what
// becomes of the record is counted then.
func (d *destination) loggerEnabled(ctx context.Context) (enabled bool) {
	defer func() { enabled = recover() != nil || enabled }()
	return d.logger.Enabled(ctx, log.EnabledParameters{Severity: log.SeverityError, EventName: adminsessions.EventName})
}

// emit hands a record over, and counts one that is lost.
func (m *middleware) emit(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	return m.emitted(e, m.hand(ctx, e, d))
}

// emitted counts the record of e as lost if there is an error.
func (m *middleware) emitted(e *adminsessions.Event, err error) error {
	if err == nil {
		return nil
	}
	if panicked, ok := errors.AsType[*providerPanicError](err); ok {
		m.metrics.Lost[counters.LostPanic].Add(1)
		if l := m.losses.take(); l != nil {
			l.Error("admin request not recorded: the provider panicked", "request_id", e.RequestID, "panic", fmt.Sprint(panicked.value))
		}
	} else {
		m.metrics.Lost[counters.LostSink].Add(1)
		if l := m.losses.take(); l != nil {
			l.Error("admin request not recorded, or not known to be safe", "request_id", e.RequestID, "error", err)
		}
	}
	return fmt.Errorf("recording request %s: %w", e.RequestID, err)
}

// hand gives an event to the provider. It never panics: whatever is wrong with
// the provider, the application's answer stands.
func (m *middleware) hand(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &providerPanicError{v}
		}
	}()
	sink := m.destination.currentSink()
	if sink == nil {
		m.destination.logger.Emit(ctx, e.Record())
		return nil
	}
	return sink.RecordEvent(ctx, e, d)
}

// providerPanicError is the error of a provider that panicked.
type providerPanicError struct{ value any }

func (p *providerPanicError) Error() string { return fmt.Sprintf("provider panicked: %v", p.value) }

// limitedLog writes at most one line in each logEvery: what goes wrong here
// goes wrong with every request. The counters have the numbers.
type limitedLog struct {
	logger     *slog.Logger
	next       atomic.Int64 // Unix nanoseconds
	suppressed atomic.Int64
}

const logEvery = 10 * time.Second

// take returns the logger if it is time for a line, and nil if not.
func (l *limitedLog) take() *slog.Logger {
	now, next := time.Now().UnixNano(), l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+int64(logEvery)) {
		l.suppressed.Add(1)
		return nil
	}
	if n := l.suppressed.Swap(0); n > 0 {
		return l.logger.With("lines_suppressed", n)
	}
	return l.logger
}
