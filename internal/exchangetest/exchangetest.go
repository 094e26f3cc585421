// Package exchangetest has the clients that notice when something stands between
// them and a panel: they talk with a server while it answers. Tests play each with
// the middleware or the proxy and without, and compare what it has seen.
package exchangetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// PingPong sends lines while it reads those that the server answers each with. What
// is left of the body of the answer is part of what was seen.
func PingPong(t testing.TB, s *httptest.Server) (seen string, resp *http.Response) {
	t.Helper()
	pr, pw := io.Pipe()
	var b strings.Builder
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(pw, "one\n")
		wrote <- err
	}()
	resp = do(t.Context(), t, s, http.MethodPost, pr)
	fmt.Fprintln(&b, <-wrote)
	lines := bufio.NewReader(resp.Body)
	for range 2 {
		line, err := lines.ReadString('\n')
		fmt.Fprintln(&b, line, err)
		_, err = io.WriteString(pw, "two\n")
		fmt.Fprintln(&b, err)
	}
	_ = pw.Close()
	rest, err := io.ReadAll(lines)
	fmt.Fprintln(&b, string(rest), err)
	return b.String(), resp
}

// Informational asks once, and tells of the answers that come before the last one.
func Informational(t testing.TB, s *httptest.Server) (seen string, resp *http.Response) {
	t.Helper()
	var b strings.Builder
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			fmt.Fprintln(&b, code, h["Link"])
			return nil
		},
	})
	resp = do(ctx, t, s, http.MethodGet, nil)
	return b.String(), resp
}

// Events reads the first lines of an answer that has no end, and goes away.
func Events(t testing.TB, s *httptest.Server, most int) (seen string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := do(ctx, t, s, http.MethodGet, nil)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var list []string
	for len(list) < most && lines.Scan() {
		list = append(list, lines.Text())
	}
	return fmt.Sprint(resp.StatusCode, list)
}

// ShakeHands opens a WebSocket, as far as HTTP knows, and says something through it.
func ShakeHands(t testing.TB, s *httptest.Server) (seen string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.WriteString(conn, "hello\n")
	rest, _ := io.ReadAll(r)
	return fmt.Sprint(resp.Status, resp.Header["Upgrade"], resp.Header["Connection"], string(rest))
}

// do asks. The body of the answer is closed when the test ends.
func do(ctx context.Context, t testing.TB, s *httptest.Server, method string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
