package deploy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokiread"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/nginxtest"
)

// startGateway runs nginx with a file of deploy/gateway in front of a Loki,
// until the test ends, and returns its address.
func startGateway(t *testing.T, file, loki string) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(root(t), "deploy", "gateway", file))
	if err != nil {
		t.Fatal(err)
	}
	const upstream = "http://loki:3100"
	if !strings.Contains(string(conf), upstream) {
		t.Fatalf("%s: there is no %q to replace", file, upstream)
	}
	return nginxtest.Start(t, strings.ReplaceAll(string(conf), upstream, loki))
}

// rawRequest sends bytes as they are and reads one answer.
func rawRequest(ctx context.Context, address, request string) (status int, body string, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, "", err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// What Grafana's data source asks, and what it must not be able to do.
var (
	asked = []string{
		"/ready", "/metrics",
		"/loki/api/v1/labels", "/loki/api/v1/label", "/loki/api/v1/label/service_name/values",
		"/loki/api/v1/query?query=vector(1)%2Bvector(1)",
		"/loki/api/v1/query_range?query=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/series?match%5B%5D=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/index/stats?query=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/index/volume?query=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/index/volume_range?query=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/detected_labels",
		"/loki/api/v1/detected_fields?query=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/detected_field/method/values?query=%7Bservice_name%3D%22forged%22%7D",
		"/loki/api/v1/format_query?query=%7Ba%3D%22b%22%7D",
		"/loki/api/v1/status/buildinfo",
	}
	// changed is sent with each method that could do it.
	changed = []string{
		"/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs", "/loki/api/v1/push/", "//loki/api/v1/push",
		"/loki/api/v1/query/../push", "/loki/api/v1/query/..%2fpush", "/loki/api/v1/query%2f..%2fpush",
		"/loki/api/v1/%70ush", "/loki/api/v1/PUSH", "/loki/api/v1/push;/query", "/loki/api/v1/push%3F/query",
		"/loki/api/v1/push%23/loki/api/v1/query", "/loki/api/v1/push%00/query", "/loki/api/v1/query%0a", "/loki/api/v1/query%0d%0aX:%20y",
		"/loki/api/v1/label/../push/values", "/loki/api/v1/label/..%2f..%2f..%2f..%2fflush%3f/values", "/loki/api/v1/detected_field/../values",
		"/loki/api/v1/delete?query=%7Bservice_name%3D%22adminpanel%22%7D&start=0", "/loki/api/v1/cache/generation_numbers",
		"/loki/api/v1/rules", "/loki/api/v1/rules/fake", "/loki/api/v1/rules/fake/group", "/api/prom/rules", "/prometheus/api/v1/rules",
		"/ruler/ring", "/ruler/delete_tenant", "/multitenant_alertmanager/delete_tenant_config",
		"/flush", "/ingester/shutdown", "/ingester/prepare_shutdown", "/ingester/prepare-partition-downscale", "/ingester/flush_shutdown",
		"/ring", "/distributor/ring", "/indexgateway/ring", "/scheduler/ring", "/compactor/ring", "/memberlist",
		"/log_level", "/log_level?log_level=debug", "/config", "/runtime_config", "/services", "/loki/api/v1/status/config",
		"/debug/pprof/", "/debug/pprof/heap", "/debug/fgprof", "/api/prom/query", "/api/prom/tail", "/ui/", "/", "/metrics/../flush", "/ready/..%2fflush",
	}
)

const forged = `{"streams":[{"stream":{"service_name":"forged"},"values":[["%d","forged"]]}]}`

// read is a way to Loki that must only read.
func TestWhoMayAskCanOnlyAsk(t *testing.T) {
	loki := lokitest.Start(t)
	base, err := url.Parse(loki.URL())
	if err != nil {
		t.Fatal(err)
	}
	demo := httptest.NewServer(lokiread.New(base, slog.New(slog.DiscardHandler)))
	t.Cleanup(demo.Close)
	for name, address := range map[string]string{
		"nginx": startGateway(t, "read.conf", loki.URL()),
		"demo":  strings.TrimPrefix(demo.URL, "http://"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range asked {
				status, body, err := rawRequest(t.Context(), address, "GET "+path+" HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
				if err != nil || status != http.StatusOK {
					t.Errorf("GET %s: %d %s %v; want Loki's answer", path, status, body, err)
				}
			}
			body := fmt.Sprintf(forged, time.Now().UnixNano())
			for _, path := range changed {
				for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
					mustRefuse(t, address, method, path, "", body)
				}
			}
			for _, method := range []string{"PUT", "DELETE", "PATCH", "QUERY", "CONNECT"} {
				mustRefuse(t, address, method, "/loki/api/v1/query", "", body)
			}
			// A connection that has left HTTP is looked at by nobody.
			for _, upgrade := range []string{"h2c", "websocket, h2c", "HTTP/2.0"} {
				mustNotUpgrade(t, address, upgrade)
			}
		})
	}
	if entries, err := loki.Query(t.Context(), `{service_name="forged"}`, lokitest.Last(time.Hour)); err != nil || len(entries) > 0 {
		t.Errorf("%d forged entries stand in Loki (%v)", len(entries), err)
	}
	if err := loki.Get(t.Context(), "/ready", nil, nil); err != nil {
		t.Errorf("Loki was disturbed: %v", err)
	}
}

// mustRefuse expects an answer of the gateway itself, never one of Loki's.
func mustRefuse(t *testing.T, address, method, path, header, body string) {
	t.Helper()
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s",
		method, path, len(body), header, body)
	status, answer, err := rawRequest(t.Context(), address, request)
	switch {
	case err != nil:
		t.Errorf("%s %s: %v", method, path, err)
	case status != http.StatusForbidden && status != http.StatusBadRequest && status != http.StatusMethodNotAllowed:
		t.Errorf("%s %s: %d %.200s; want it refused", method, path, status, answer)
	}
}

func mustNotUpgrade(t *testing.T, address, protocol string) {
	t.Helper()
	status, answer, err := rawRequest(t.Context(), address, "GET /loki/api/v1/tail?query=%7Ba%3D%22b%22%7D HTTP/1.1\r\nHost: gateway\r\n"+
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "+protocol+"\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
	if err == nil && status == http.StatusSwitchingProtocols {
		t.Errorf("Upgrade: %s was granted: %s", protocol, answer)
	}
}

// Panels write through push.conf, and can do nothing else.
func TestWhoMayPushCanOnlyPush(t *testing.T) {
	loki := lokitest.Start(t)
	address := startGateway(t, "push.conf", loki.URL())
	body := fmt.Sprintf(`{"streams":[{"stream":{"service_name":"panel"},"values":[["%d","honest"]]}]}`, time.Now().UnixNano())
	push := fmt.Sprintf("POST /loki/api/v1/push HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	if status, answer, err := rawRequest(t.Context(), address, push); err != nil || status != http.StatusNoContent {
		t.Fatalf("push: %d %s %v", status, answer, err)
	}
	loki.Await(t.Context(), `{service_name="panel"}`, lokitest.Last(time.Hour), 1)

	for _, path := range append(asked, changed...) {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if isPush := path == "/loki/api/v1/%70ush" || path == "//loki/api/v1/push" ||
				path == "/loki/api/v1/push" || strings.HasPrefix(path, "/loki/api/v1/query/..") || path == "/loki/api/v1/query%2f..%2fpush"; method == "POST" && isPush {
				continue // other spellings of what it is for
			}
			mustRefuse(t, address, method, path, "", "{}")
		}
	}

	// While Loki is away the exporter gets an answer that it holds for.
	loki.Stop()
	if status, answer, err := rawRequest(t.Context(), address, push); err != nil || status != http.StatusBadGateway {
		t.Errorf("without Loki: %d %s %v; want 502", status, answer, err)
	}
	loki.Restart()
	if status, answer, err := rawRequest(t.Context(), address, push); err != nil || status != http.StatusNoContent {
		t.Errorf("with Loki back: %d %s %v", status, answer, err)
	}
}

// The demo and the containers refuse the same.
func TestBothGatewaysKnowTheSameQuestions(t *testing.T) {
	conf, err := os.ReadFile(filepath.Join(root(t), "deploy", "gateway", "read.conf"))
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(filepath.Join(root(t), "internal", "lokiread", "proxy.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(code), "const questions = `")
	questions, _, _ := strings.Cut(rest, "`")
	if questions == "" || !strings.Contains(string(conf), `location ~ "`+questions+`"`) {
		t.Errorf("deploy/gateway/read.conf does not have the expression of internal/lokiread:\n%s", questions)
	}
}
