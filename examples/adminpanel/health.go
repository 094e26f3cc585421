package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// probeTimeout is how long a dependency may take to answer.
const probeTimeout = time.Second

// health knows how the panel is. Three questions are kept apart:
//
//   - Does the panel itself work: does it serve, and can it record? Asked by
//     whoever restarts it or sends it requests; Loki has no part in it.
//     /healthz, on the panel's own address, which tells a stranger nothing else.
//   - Why not? /healthz on the metrics address, for those who operate it.
//   - Does everything around it answer, too: Loki, and what
//     ADMINPANEL_WAIT_FOR names? /readyz on the metrics address.
type health struct {
	spool   func() error // nil when events can be recorded
	waitFor []dependency
	client  *http.Client
}

// public answers /healthz for anybody.
func (h *health) public(w http.ResponseWriter, _ *http.Request) {
	if h.spool() != nil {
		answer(w, http.StatusServiceUnavailable, "unavailable")
		return
	}
	answer(w, http.StatusOK, "ok")
}

// details answers /healthz with the reason.
func (h *health) details(w http.ResponseWriter, _ *http.Request) {
	if err := h.spool(); err != nil {
		answer(w, http.StatusServiceUnavailable, "unavailable: "+err.Error())
		return
	}
	answer(w, http.StatusOK, "ok")
}

// ready answers /readyz.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	var reasons []string
	if err := h.spool(); err != nil {
		reasons = append(reasons, err.Error())
	}
	for _, d := range h.waitFor {
		if err := h.probe(r.Context(), d); err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	if len(reasons) > 0 {
		answer(w, http.StatusServiceUnavailable, "not ready: "+strings.Join(reasons, "; "))
		return
	}
	answer(w, http.StatusOK, "ready")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func (h *health) probe(ctx context.Context, d dependency) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, http.NoBody)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer yet: %w", d.name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready yet: %s", d.name, resp.Status)
	}
	return nil
}

// operators serves the metrics address: what only those who run the panel
// should see.
func (h *health) operators(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	mux.HandleFunc("GET /healthz", h.details)
	mux.HandleFunc("GET /readyz", h.ready)
	return mux
}

// askHealth asks the panel with the same settings on this machine. It is the
// health check of a container, which has no other program to ask with.
func askHealth(getenv func(string) string) error {
	c, err := readConfig(getenv)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(c.listen)
	if err != nil {
		return fmt.Errorf("%s: %w", envListen, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the panel is not healthy: %s; http://%s/healthz says why", resp.Status, c.operators)
	}
	return nil
}
