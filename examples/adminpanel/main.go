package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/adminsessions/adminsessions"
)

func main() {
	health := flag.Bool("health", false, "ask the panel that runs here whether it is healthy, and end with 0 if it is")
	flag.Parse()
	if *health {
		if err := askHealth(os.Getenv); err != nil {
			fmt.Fprintln(os.Stderr, "adminpanel:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, os.Getenv, logger); err != nil {
		logger.Error("adminpanel ends", "error", err)
		os.Exit(1)
	}
}

// run serves the panel until ctx ends, then ends in order: no new requests,
// those under way to their end, their records delivered or left in the spool.
func run(ctx context.Context, getenv func(string) string, logger *slog.Logger) error {
	c, err := readConfig(getenv)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("serve the panel: %w; set %s to another address", err, envListen)
	}
	defer listener.Close()
	metrics, err := net.Listen("tcp", c.operators)
	if err != nil {
		return fmt.Errorf("serve the metrics: %w; set %s to another address", err, envMetrics)
	}
	defer metrics.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var p *panel
	rec, err := startRecording(c, registry, logger, func(r *http.Request) adminsessions.User { return p.known(r) })
	if err != nil {
		return err
	}
	kept, err := openClients(filepath.Join(c.dataDir, "clients.json"), time.Now)
	if err != nil {
		return errors.Join(err, rec.shutdown(context.Background()))
	}
	p, err = newPanel(kept, rec.recorder, c, logger, time.Now)
	if err != nil {
		return errors.Join(err, rec.shutdown(context.Background()))
	}
	h := &health{spool: rec.exporter.Ready, waitFor: c.waitFor, client: &http.Client{}}
	p.mux.HandleFunc("GET /healthz", h.public)

	server, operators := newServer(rec.middleware(p), logger), newServer(h.operators(registry), logger)
	// A proxy may speak HTTP/2 to it.
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan error, 2) // each server's goroutine writes once
	go func() { served <- server.Serve(listener) }()
	go func() { served <- operators.Serve(metrics) }()
	logger.Info("panel is up", "address", "http://"+listener.Addr().String(), "metrics", "http://"+metrics.Addr().String(),
		"spool", c.spoolDir)

	var background sync.WaitGroup
	visiting, leave := context.WithCancel(ctx)
	background.Go(func() {
		if err := rec.verifier.Run(visiting); visiting.Err() == nil {
			logger.Error("the trail is not verified any more", "error", err)
		}
	})
	background.Go(func() { p.queue.work(visiting, rec.recorder, logger) })
	if c.traffic {
		background.Go(func() { p.nightly(visiting) })
		background.Go(func() { newTraffic("http://"+loopback(listener.Addr()), p.routeList, logger).run(visiting) })
	}

	select {
	case <-ctx.Done():
	case err = <-served:
		err = fmt.Errorf("serve the panel: %w", err)
	}
	logger.Info("panel ends")
	leave()
	background.Wait()
	ending, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(err, server.Shutdown(ending), rec.shutdown(ending), operators.Shutdown(ending))
}

func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// loopback is where a server on this address can be reached from this machine.
func loopback(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return address.String()
	}
	return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
}
