package exporter

import (
	"context"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/adminsessions/adminsessions"
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
// [WithResource]; each call returns the same. Its Shutdown shuts the exporter
// down. To add processors of one's own, register the exporter with an
// sdklog.LoggerProvider instead.
func (x *Exporter) LoggerProvider() *LoggerProvider { return x.provider }

// RecordEvent is [Exporter.RecordEvent].
func (p *LoggerProvider) RecordEvent(ctx context.Context, ev *adminsessions.Event, d adminsessions.Durability) error {
	return p.exporter.RecordEvent(ctx, ev, d)
}

// BeforeShutdown is [Exporter.BeforeShutdown].
func (p *LoggerProvider) BeforeShutdown(f func()) { p.exporter.BeforeShutdown(f) }
