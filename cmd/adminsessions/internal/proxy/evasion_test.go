package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// With a panel that speaks HTTP/2 in clear, Upgrade: h2c would be a tunnel for
// requests that are on no record.
func TestNoTunnelIsOpenedButForAWebSocket(t *testing.T) {
	willing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			fmt.Fprint(w, "answered")
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\ntunnel", r.Header.Get("Upgrade"))
	})
	for lines, opened := range map[string]bool{
		"Upgrade: websocket\r\n":                                      true,
		"Upgrade: WebSocket\r\n":                                      true,
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n":        false,
		"Upgrade: H2C\r\n":                                            false,
		"Upgrade: h2c, websocket\r\n":                                 false,
		"Upgrade: websocket, h2c\r\n":                                 false,
		"Upgrade: h2c\r\nUpgrade: websocket\r\n":                      false,
		"Upgrade: TLS/1.0\r\n":                                        false,
		"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: close\r\n": true,
	} {
		r := newRig(t, "", willing)
		conn := rawConn(t, r.proxy)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: panel\r\nConnection: Upgrade, HTTP2-Settings\r\n"+lines+"\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		if up := resp.Header.Get("Upgrade"); (resp.StatusCode == http.StatusSwitchingProtocols) != opened || opened && !strings.EqualFold(up, "websocket") {
			t.Errorf("%q: answered %s, Upgrade: %q", lines, resp.Status, up)
		}
		_ = conn.Close()
	}
}
