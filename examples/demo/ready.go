package main

import (
	"context"
	"net/http"
	"time"
)

// awaitReady asks the panel's /readyz until it answers 200, then writes to
// ready once. It returns early when ctx ends.
func awaitReady(ctx context.Context, readyz string, ready chan<- struct{}) {
	client := &http.Client{Timeout: 3 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, client, readyz) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	select {
	case ready <- struct{}{}:
	case <-ctx.Done():
	}
}

// answers reports whether a GET is answered with 200.
func answers(ctx context.Context, client *http.Client, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
