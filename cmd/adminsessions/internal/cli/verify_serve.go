package cli

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/adminsessions/adminsessions/proof/verify"
	"github.com/adminsessions/adminsessions/proof/verify/verifymetrics"
)

// operators serve what a scheduled verification finds.
type operators struct {
	server *http.Server
	at     net.Addr
	done   chan struct{} // closed by the serving goroutine
}

// serveOperators listens at an address, and serves /metrics and /healthz until it is
// closed. also are further metrics.
func serveOperators(w *World, address string, v *verify.Verifier, every time.Duration, also ...prometheus.Collector) (*operators, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), verifymetrics.New(v))
	registry.MustRegister(also...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	began := w.Now()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "no-store")
		if err := stopped(v.Status(), began, w.Now(), every); err != nil {
			http.Error(rw, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = rw.Write([]byte("ok\n"))
	})
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usage("--metrics-listen: %w", err)
	}
	o := &operators{at: l.Addr(), done: make(chan struct{}), server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(w.Logger.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(o.done)
		_ = o.server.Serve(l) // ends with close; what the alert misses otherwise it tells
	}()
	w.Logger.Info("metrics are served", "address", o.at.String())
	return o, nil
}

func (o *operators) close() {
	_ = o.server.Close()
	<-o.done
}

// grace is how long a verification may take beyond the time between two.
const grace = 2 * time.Hour

// stopped is an error if no verification that could read the trail has ended for too
// long: what it has found is no matter of the program's health.
func stopped(s verify.Status, began, now time.Time, every time.Duration) error {
	since := began
	if !s.Last.IsZero() {
		since = s.Last
	}
	ago := now.Sub(since)
	switch {
	case ago <= every+grace:
		return nil
	case s.Err != nil:
		return fmt.Errorf("the trail could not be read for %v: see the log", ago.Round(time.Second)) // which an address may stand in
	default:
		return fmt.Errorf("no verification has ended for %v", ago.Round(time.Second))
	}
}
