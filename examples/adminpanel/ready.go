package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probeTimeout is how long a dependency may take to answer.
const probeTimeout = time.Second

// readiness answers /healthz: 200 once the spool takes events and everything
// the demo consists of answers, 503 and why not before.
type readiness struct {
	spool   func() error // nil when events can be recorded
	waitFor []dependency
	client  *http.Client
}

func (ready *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var reasons []string
	if err := ready.spool(); err != nil {
		reasons = append(reasons, err.Error())
	}
	for _, d := range ready.waitFor {
		if err := ready.probe(r.Context(), d); err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) > 0 {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: %s\n", strings.Join(reasons, "; "))
		return
	}
	fmt.Fprintln(w, "ready")
}

func (ready *readiness) probe(ctx context.Context, d dependency) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, http.NoBody)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	resp, err := ready.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer yet: %w", d.name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready yet: %s", d.name, resp.Status)
	}
	return nil
}

// askHealth asks the panel with the same settings on this machine. It is the
// health check of a container, which has no other program to ask with.
func askHealth(getenv func(string) string) error {
	c, err := readConfig(getenv)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(c.listen)
	if err != nil {
		return fmt.Errorf("%s: %w", envListen, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/healthz", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(said)))
	}
	return err
}
