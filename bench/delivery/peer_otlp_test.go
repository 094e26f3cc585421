package delivery

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/adminsessions/adminsessions"
)

// otlpPeer is OpenTelemetry's own way.
type otlpPeer struct {
	provider  *sdklog.LoggerProvider
	logger    log.Logger
	transport *countingTransport
}

// tunedBatches make room for a million records, and batches of the size that
// serves the others.
var tunedBatches = []sdklog.BatchProcessorOption{
	sdklog.WithMaxQueueSize(1 << 20),
	sdklog.WithExportMaxBatchSize(4000),
	sdklog.WithExportInterval(250 * time.Millisecond),
}

func openOTLP(address string, s stream, batches ...sdklog.BatchProcessorOption) (peer, error) {
	transport := &countingTransport{next: http.DefaultTransport}
	exp, err := otlploghttp.New(context.Background(),
		otlploghttp.WithEndpointURL(address+"/otlp/v1/logs"),
		otlploghttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: 10 * time.Second}),
	)
	if err != nil {
		return nil, err
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exp, batches...)),
		sdklog.WithResource(s.resource()),
	)
	logger := provider.Logger(adminsessions.ScopeName, log.WithInstrumentationVersion(adminsessions.Version))
	return &otlpPeer{provider, logger, transport}, nil
}

func (p *otlpPeer) emit(e *adminsessions.Event) error {
	p.logger.Emit(context.Background(), e.Record())
	return nil
}

// finish ends the processor: ForceFlush would give up with the first error.
func (p *otlpPeer) finish(ctx context.Context) error {
	_ = p.provider.Shutdown(ctx) // what it could not deliver is lost, and counted by its absence
	return nil
}

func (p *otlpPeer) sent() int64 { return p.transport.bytes.Load() }
