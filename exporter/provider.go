package exporter

import (
	"context"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// LoggerProvider is the OpenTelemetry SDK's, with the exporter as its one
// processor. It also takes events directly ([adminsessions.Sink]): package
// instrumentation finds that and leaves the record in between out.
type LoggerProvider struct {
	*sdklog.LoggerProvider
	exporter *Exporter
}

var _ adminsessions.Sink = (*LoggerProvider)(nil)

// LoggerProvider returns a provider over the exporter, with the resource of
// [WithResource]. Its Shutdown shuts the exporter down. To add processors of
// one's own, register the exporter with an sdklog.LoggerProvider instead.
// Call it once.
func (x *Exporter) LoggerProvider() *LoggerProvider {
	return &LoggerProvider{
		LoggerProvider: sdklog.NewLoggerProvider(sdklog.WithProcessor(x), sdklog.WithResource(x.resource)),
		exporter:       x,
	}
}

// RecordEvent writes an event to the spool. With [adminsessions.Spooled] it
// returns once the event survives the death of the process, with
// [adminsessions.Synced] once it survives a power cut, or with an error when
// ctx is done before.
func (p *LoggerProvider) RecordEvent(ctx context.Context, ev *adminsessions.Event, d adminsessions.Durability) error {
	e := newEncoder(p.exporter.labels)
	defer e.release()
	e.event(ev, trace.SpanContextFromContext(ctx))
	var opts []spool.AppendOption
	if ev.Anonymous() {
		opts = append(opts, spool.Limited)
	}
	return p.exporter.append(ctx, ev.Time, e, d, opts...)
}

// BeforeShutdown has f called when the exporter shuts down, before it refuses
// events: f may record what it has kept back. If the exporter is shutting down
// already, f is called at once.
func (p *LoggerProvider) BeforeShutdown(f func()) {
	x := p.exporter
	x.beforeMu.Lock()
	if !x.ending {
		x.before = append(x.before, f)
		x.beforeMu.Unlock()
		return
	}
	x.beforeMu.Unlock()
	f()
}
