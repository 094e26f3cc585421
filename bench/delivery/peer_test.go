package delivery

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/proof"
)

// A peer delivers events to Loki.
type peer interface {
	// emit hands an event over. An error means that the peer has not taken it.
	emit(e *adminsessions.Event) error
	// finish returns when the peer has delivered what it was given, or has
	// given it up.
	finish(ctx context.Context) error
	// sent is how many bytes were pushed, as they travel, without HTTP's own.
	sent() int64
}

// The names of the peers.
const (
	ours       = "adminsessions"
	proved     = "adminsessions+proof"
	sealed     = "adminsessions+encryption"
	lokiClient = "loki-client-go"
	otlp       = "otlp"
	otlpTuned  = "otlp-tuned"
	bare       = "bare"
	none       = "none"
)

const serviceName = "delivery"

// A stream gets each peer's events apart from the others'.
type stream struct{ instance string }

func (s stream) resource() *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.name", serviceName),
		attribute.String("service.instance.id", s.instance),
		attribute.String("deployment.environment.name", "bench"),
	)
}

func (s stream) labels() string {
	return fmt.Sprintf(`{deployment_environment_name="bench", service_instance_id=%q, service_name=%q}`, s.instance, serviceName)
}

func openPeer(c senderConfig) (peer, error) {
	s := stream{c.Instance}
	switch c.Peer {
	case ours:
		return openExporter(c, s)
	case proved:
		_, key, err := proof.NewKey("bench")
		if err != nil {
			return nil, err
		}
		return openExporter(c, s, exporter.WithProof(exporter.Proof{Keys: []*proof.Key{key}}))
	case sealed:
		return openExporter(c, s, exporter.WithSpoolKeys(make([]byte, 32)))
	case lokiClient:
		return openLokiClient(c.Loki, s)
	case otlp:
		return openOTLP(c.Loki, s)
	case otlpTuned:
		return openOTLP(c.Loki, s, tunedBatches...)
	case bare:
		return openBare(c.Loki, s), nil
	case none:
		return nobody{}, nil
	}
	return nil, fmt.Errorf("no peer is called %q", c.Peer)
}

// exporterPeer is this project's exporter, with its defaults but for the spool's
// size: it shall hold the burst.
type exporterPeer struct {
	exporter *exporter.Exporter
}

func openExporter(c senderConfig, s stream, more ...exporter.Option) (peer, error) {
	x, err := exporter.New(append(more,
		exporter.WithLoki(adminsessions.Loki{URL: c.Loki}),
		exporter.WithSpoolDir(c.SpoolDir),
		exporter.WithSpoolLimit(4<<30),
		exporter.WithFullPolicy(exporter.BlockWhenFull),
		exporter.WithBlockTimeout(time.Minute),
		exporter.WithResource(s.resource()),
	)...)
	if err != nil {
		return nil, err
	}
	return &exporterPeer{x}, nil
}

func (p *exporterPeer) emit(e *adminsessions.Event) error {
	return p.exporter.RecordEvent(context.Background(), e, adminsessions.Spooled)
}

func (p *exporterPeer) finish(ctx context.Context) error { return p.exporter.ForceFlush(ctx) }

func (p *exporterPeer) sent() int64 {
	return int64(p.exporter.Stats().PushedBytes)
}

// counter returns the sum of a metric's series.
func counter(g prometheus.Gatherer, name string) int64 {
	families, err := g.Gather()
	if err != nil {
		return -1
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return int64(sum)
}

// nobody takes events and forgets them.
type nobody struct{}

func (nobody) emit(*adminsessions.Event) error { return nil }
func (nobody) finish(context.Context) error    { return nil }
func (nobody) sent() int64                     { return 0 }

// countingTransport counts the bytes of requests.
type countingTransport struct {
	next  http.RoundTripper
	bytes atomic.Int64
}

func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.bytes.Add(r.ContentLength)
	return t.next.RoundTrip(r)
}
