//go:build kubernetes

package kubernetes

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// testGateways tries what each gateway lets pass, and takes Loki to another address.
func (r *release) testGateways(t *testing.T) {
	for _, g := range []struct {
		service, method, path string
		want                  int
	}{
		{"loki-push", http.MethodPost, "/loki/api/v1/push", http.StatusNoContent},
		{"loki-push", http.MethodGet, "/loki/api/v1/labels", http.StatusForbidden},
		{"loki-push", http.MethodPost, "/flush", http.StatusForbidden},
		{"loki-read", http.MethodGet, "/loki/api/v1/labels", http.StatusOK},
		{"loki-read", http.MethodGet, "/metrics", http.StatusOK},
		{"loki-read", http.MethodPost, "/loki/api/v1/push", http.StatusForbidden},
		{"loki-read", http.MethodPost, "/loki/api/v1/delete?query={a=%22b%22}", http.StatusForbidden},
		{"loki-read", http.MethodGet, "/ingester/shutdown", http.StatusForbidden},
	} {
		body := fmt.Sprintf(`{"streams":[{"stream":{"service_name":"other"},"values":[["%d","x"]]}]}`, time.Now().UnixNano())
		req, err := http.NewRequestWithContext(t.Context(), g.method, "http://"+r.address(t, "loki", g.service)+g.path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != g.want {
			t.Errorf("%s %s of %s: %s, want %d", g.method, g.path, g.service, resp.Status, g.want)
		}
	}
	// Loki comes back under another address, and the gateways find it.
	r.kubectl(t, "-n", "loki", "delete", "pod", "loki-0")
	r.kubectl(t, "-n", "loki", "rollout", "status", "statefulset/loki", "--timeout=2m")
	r.work(t, 10)
	r.verify(t)
}
