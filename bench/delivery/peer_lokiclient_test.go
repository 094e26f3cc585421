package delivery

import (
	"context"

	"github.com/go-kit/log"
	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/adminsessions/adminsessions"
)

// lokiClientPeer is loki-client-go with its defaults: batches of 1 MiB of lines
// or a second, ten attempts.
type lokiClientPeer struct {
	client *loki.Client
	labels model.LabelSet
}

func openLokiClient(address string, s stream) (peer, error) {
	config, err := loki.NewDefaultConfig(address + "/loki/api/v1/push")
	if err != nil {
		return nil, err
	}
	client, err := loki.NewWithLogger(config, log.NewNopLogger())
	if err != nil {
		return nil, err
	}
	return &lokiClientPeer{client, model.LabelSet{
		"service_name": serviceName, "service_instance_id": model.LabelValue(s.instance), "deployment_environment_name": "bench",
	}}, nil
}

func (p *lokiClientPeer) emit(e *adminsessions.Event) error {
	return p.client.Handle(p.labels, e.Time, e.Line())
}

func (p *lokiClientPeer) finish(context.Context) error {
	p.client.Stop()
	return nil
}

func (p *lokiClientPeer) sent() int64 {
	return counter(prometheus.DefaultGatherer, "promtail_sent_bytes_total")
}
