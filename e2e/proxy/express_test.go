package proxy

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// What a panel in Express tells with the middleware of the examples is on
// record, also of requests that are refused or fail, whatever characters are in
// it; and no client sees it.
func TestExpressTellsWhatWasDone(t *testing.T) {
	dir := filepath.Join(root, "e2e/proxy/testdata/express")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("%v\nrun: npm ci --ignore-scripts --prefix e2e/proxy/testdata/express", err)
	}
	loki := lokitest.Start(t)
	address := freeport.Address(t)
	start(t, "Express", "http://"+address, func() *exec.Cmd { return exec.Command("node", filepath.Join(dir, "app.js"), address) })
	p := startProxy(t, loki, "http://"+address, "service: {name: express}\n")

	requests := []struct {
		method, path, cookie, body string
		status                     int
		want                       string // the people's part, without the address
	}{
		{"POST", "/clients", "sid=anna", `{"id": "8", "name": "A \"✓\"\r\nX-Audit-User: eve"}`, 201,
			`email=anna@example.com id=7 action=clients.create outcome=success name="Änna" object="client" object_id="8" object_name="A \"✓\"□□X-Audit-User: eve"` +
				` now.name="A \"✓\"□□X-Audit-User: eve" now.status="active"`},
		{"POST", "/clients", "sid=anna", `{"id": "9", "name": "half \ud800 a pair"}`, 201,
			`email=anna@example.com id=7 action=clients.create outcome=success name="Änna" object="client" object_id="9" object_name="half □ a pair" now.name="half □ a pair" now.status="active"`},
		{"POST", "/clients", "sid=anna", `{}`, 422,
			`email=anna@example.com id=7 action=clients.create outcome=failure name="Änna" note="a name is missing"`},
		{"POST", "/clients/7731/suspend", "sid=anna", `{}`, 302,
			`email=anna@example.com id=7 action=clients.suspend outcome=success name="Änna" object="client" object_id="7731" object_name="Søhne & Co" was.status="active" now.status="suspended"`},
		{"DELETE", "/clients/7731", "", "", 403,
			`email=- id=- action=clients.delete outcome=denied object="clients" object_id="7731"`},
		{"DELETE", "/clients/7731", "sid=anna", "", 204,
			`email=anna@example.com id=7 action=clients.delete outcome=success name="Änna" object="client" object_id="7731" object_name="Søhne & Co"`},
		{"GET", "/fails", "sid=anna", "", 500,
			`email=anna@example.com id=7 action=clients.export outcome=error name="Änna"`},
	}
	for _, r := range requests {
		req, err := http.NewRequestWithContext(t.Context(), r.method, p.url+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if r.cookie != "" {
			req.Header.Set("Cookie", r.cookie)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != r.status {
			t.Errorf("%s %s was answered with %d, want %d", r.method, r.path, resp.StatusCode, r.status)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "X-Audit-") {
				t.Errorf("%s %s: the client sees %s", r.method, r.path, name)
			}
		}
	}
	asked := func(events []adminsessions.Event) []adminsessions.Event {
		return slices.DeleteFunc(slices.Clone(events), func(e adminsessions.Event) bool { return e.Type == adminsessions.Trail })
	}
	events := asked(recorded(t, loki, "express", func(events []adminsessions.Event) error {
		if n := len(asked(events)); n != len(requests) {
			return fmt.Errorf("%d of %d requests are on record", n, len(requests))
		}
		return nil
	}))
	for i, r := range requests {
		want := fmt.Sprintf("type=WEB method=%s status=%d ", r.method, r.status) + r.want
		got, _, _ := strings.Cut(events[i].Line(), "\t")
		got = strings.Replace(got, " ip=127.0.0.1", "", 1)
		got = strings.Replace(got, fmt.Sprintf(" url=%q", p.url+r.path), "", 1)
		if got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", r.method, r.path, got, want)
		}
	}
}
