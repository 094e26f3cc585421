package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"testing"
)

// ask makes a request as the tenant and returns the answer's body.
func ask(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Scope-OrgID", tenant)
	req.Header.Set("Accept", "application/json, text/plain;q=0.5")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 16<<20))
}

// ring is who is in the ring of ingesters, as a member sees it.
func (c *cluster) ring(ctx context.Context, member string) ([]string, error) {
	body, err := ask(ctx, c.url(member)+"/ring")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Shards []struct {
			ID, State string
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the ring: %w", err)
	}
	names := make([]string, len(answer.Shards))
	for i, s := range answer.Shards {
		names[i] = s.ID + " " + s.State
	}
	return names, nil
}

var received = regexp.MustCompile(`(?m)^loki_distributor_lines_received_total\{.*\} [1-9]`)

// mustBalance waits until each of the distributors has got lines, though every
// panel keeps one connection.
func (c *cluster) mustBalance(t *testing.T, distributors ...string) {
	t.Helper()
	for _, name := range distributors {
		await(t, name+" to get lines", func() error {
			metrics, err := ask(t.Context(), c.url(name)+"/metrics")
			if err == nil && !received.Match(metrics) {
				err = fmt.Errorf("none of %d bytes of metrics says so", len(metrics))
			}
			return err
		})
	}
}
