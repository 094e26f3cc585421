package panel_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/lokiread"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// In Loki's distributed mode one server takes pushes and another answers, and a
// Loki with tenants must be told which: exporter and page both are, by the same
// variables.
func TestTwoAddressesAndATenant(t *testing.T) {
	loki := lokitest.Start(t, lokitest.WithArgs("-auth.enabled=true"))
	base, err := url.Parse(loki.URL())
	if err != nil {
		t.Fatal(err)
	}
	pushes := httputil.NewSingleHostReverseProxy(base)
	distributor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/loki/api/v1/push" {
			http.NotFound(w, r)
			return
		}
		pushes.ServeHTTP(w, r)
	}))
	defer distributor.Close()
	frontend := httptest.NewServer(lokiread.New(base, slog.New(slog.DiscardHandler)))
	defer frontend.Close()

	p := newPanel(t, loki, t.TempDir(), "ADMINSESSIONS_LOKI_URL="+distributor.URL,
		"ADMINSESSIONS_LOKI_QUERY_URL="+frontend.URL, "ADMINSESSIONS_LOKI_TENANT_ID=trail")
	p.start()
	p.awaitReady()
	p.work("tenant", 3, nil)
	await(t, "the page's list has what was done", func() error {
		status, body, err := send(t.Context(), http.DefaultClient, http.MethodGet, p.url+"/admin/api/admin_session_logs?range=1h", asAnna, "")
		if err == nil && (status != http.StatusOK || strings.Count(string(body), "search=tenant-") < 3) {
			err = fmt.Errorf("%d %.300s", status, body)
		}
		return err
	})
}
