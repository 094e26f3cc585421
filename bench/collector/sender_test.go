package collector

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
)

const (
	senders    = 4
	perRequest = 10
	pause      = 50 * time.Millisecond // before a request is sent again
)

// sent is what a sender has done.
type sent struct {
	answered map[string]struct{} // records of requests that were answered with 200
	again    int64               // requests that were not, and were sent again
	dropped  int64               // records that the sender had to give up
	waited   time.Duration       // the longest wait for a request's answer, all attempts
}

// batch keeps the records of a request: a processor that processes nothing.
type batch struct{ records []sdklog.Record }

func (p *batch) OnEmit(_ context.Context, r *sdklog.Record) error {
	p.records = append(p.records, r.Clone())
	return nil
}

func (*batch) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

func (*batch) Shutdown(context.Context) error { return nil }

func (*batch) ForceFlush(context.Context) error { return nil }

// send sends records at a steady rate for some time.
func send(ctx context.Context, address, instance string, rate int, lasts time.Duration) (sent, error) {
	exp, err := otlploghttp.New(ctx,
		otlploghttp.WithEndpointURL("http://"+address+"/v1/logs"),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: false}),
		otlploghttp.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}, Timeout: 10 * time.Second}),
	)
	if err != nil {
		return sent{}, err
	}
	from := resource.NewSchemaless(
		attribute.String("service.name", serviceName),
		attribute.String("service.instance.id", instance),
		attribute.String("deployment.environment.name", "bench"),
	)
	ctx, cancel := context.WithTimeout(ctx, lasts+time.Minute)
	defer cancel()
	requests := int64(lasts.Seconds() * float64(rate) / perRequest)
	all := sent{answered: make(map[string]struct{}, requests*perRequest)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var next atomic.Int64
	for range senders {
		wg.Go(func() {
			var p batch
			logger := sdklog.NewLoggerProvider(sdklog.WithProcessor(&p), sdklog.WithResource(from)).
				Logger(adminsessions.ScopeName, log.WithInstrumentationVersion(adminsessions.Version))
			ticks := time.NewTicker(senders * perRequest * time.Second / time.Duration(rate))
			defer ticks.Stop()
			for {
				<-ticks.C
				i := next.Add(1) - 1
				if i >= requests {
					return
				}
				p.records = p.records[:0]
				ids := make([]string, perRequest)
				for j := range ids {
					e := event(int(i)*perRequest + j)
					ids[j] = e.RequestID
					logger.Emit(ctx, e.Record())
				}
				began := time.Now()
				failures, err := untilAnswered(ctx, exp, p.records)
				mu.Lock()
				all.again += failures
				all.waited = max(all.waited, time.Since(began))
				if err != nil {
					all.dropped += perRequest
				} else {
					for _, id := range ids {
						all.answered[id] = struct{}{}
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all, nil
}

// untilAnswered sends a request until it is answered with 200.
func untilAnswered(ctx context.Context, exp *otlploghttp.Exporter, records []sdklog.Record) (failures int64, err error) {
	for {
		if err = exp.Export(ctx, records); err == nil {
			return failures, nil
		}
		failures++
		select {
		case <-ctx.Done():
			return failures, err
		case <-time.After(pause):
		}
	}
}

func event(i int) adminsessions.Event {
	return adminsessions.Event{
		Stage:      adminsessions.Complete,
		Type:       adminsessions.API,
		User:       adminsessions.User{ID: fmt.Sprint(i % 40), FullName: fmt.Sprintf("Administrator %d", i%40), Email: fmt.Sprintf("admin%d@example.com", i%40)},
		Method:     http.MethodPut,
		URL:        fmt.Sprintf("https://panel.example.com/admin/api/clients/%d", i*7919),
		Route:      "/admin/api/clients/{uuid}",
		StatusCode: http.StatusOK,
		Duration:   time.Duration(i%1000) * time.Microsecond,
		RequestID:  fmt.Sprintf("%08d", i),
		Time:       time.Now(),
	}
}
