package attack

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// exhaustions ask for more than the panel should give, and hope that something
// is left out of the trail for it.
func exhaustions() []attack {
	anna := want{email: "anna@example.com"}
	tooLarge := want{none: true, answer: http.StatusRequestHeaderFieldsTooLarge}
	long := func(parts string, n int) string { return strings.Repeat(parts, n) }
	headers := make([]string, 3000)
	for i := range headers {
		headers[i] = fmt.Sprintf("X-H-%d: x", i)
	}
	return []attack{
		{name: "exhaust-query", request: request{target: "/admin/api/clients?q=" + long("a", 900_000), as: "anna"}, want: want{email: "anna@example.com", urlHas: []string{"/admin/api/clients", "q="}}},
		{name: "exhaust-escapes", request: request{target: "/admin/api/clients?q=" + long("%41", 200_000), as: "anna"}, want: anna},
		{name: "exhaust-bad-escapes", request: request{target: "/admin/api/clients?q=" + long("%z", 100_000), as: "anna"}, want: anna},
		{name: "exhaust-parameters", request: request{target: "/admin/api/clients?" + long("a=1&", 20_000) + "token=Zq8hunter2", as: "anna"}, want: want{email: "anna@example.com", lacks: []string{"Zq8hunter2"}}},
		{name: "exhaust-empty-parameters", request: request{target: "/admin/api/clients?" + long("&", 300_000), as: "anna"}, want: anna},
		{name: "exhaust-segments", request: request{target: "/admin/api/clients" + long("/a", 30_000), as: "anna"}, want: anna},
		{name: "exhaust-dots", request: request{target: "/admin/api/clients" + long("/..", 20_000), as: "anna"}, want: anna},
		{name: "exhaust-slashes", request: request{target: "/admin/" + long("/", 50_000), as: "anna"}, want: want{urlHas: []string{"/admin/"}}},
		{name: "exhaust-headers", request: request{as: "anna", headers: headers}, want: anna},
		{name: "exhaust-cookies", request: request{as: "anna", headers: []string{"Cookie: " + long("a=b; ", 20_000)}}, want: anna},
		{name: "exhaust-agent", request: request{agent: long("u", 300_000), as: "anna"}, want: anna},
		{name: "exhaust-forwarded", from: proxyAddress, request: request{as: "anna", headers: []string{"X-Forwarded-For: " + long("6.6.6.6, ", 50_000) + "203.0.113.99"}}, want: want{ip: "203.0.113.99"}},
		{name: "exhaust-request-id", request: request{as: "anna", headers: []string{"X-Request-Id: " + long("r", 100_000)}}, want: anna},
		{name: "exhaust-too-large", request: request{as: "anna", headers: []string{"X-A: " + long("a", 1<<20+8<<10)}}, want: tooLarge},
		{name: "exhaust-json-depth", request: request{method: "POST", target: "/admin/api/clients", as: "anna", body: long("[", 60_000)}, want: want{status: 400}},
		{name: "exhaust-json-size", request: request{method: "POST", target: "/admin/api/clients", as: "anna", body: `{"name":"` + long("a", 200_000) + `"}`}, want: want{status: 413}},
		{name: "exhaust-form", request: request{method: "POST", target: "/admin/login", headers: form, body: long("a=1&", 50_000)}, want: want{method: "POST"}},
		{name: "exhaust-tried", request: request{method: "POST", target: "/admin/login", headers: form, body: "email=" + long("e", 50_000) + "&password=x"}, want: want{status: 401}},
		{name: "exhaust-token", request: request{headers: []string{"Authorization: Bearer " + long("t", 100_000)}}, want: want{status: 401}},
		{name: "exhaust-chunks", request: request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Transfer-Encoding: chunked"}, body: long("1\r\na\r\n", 20_000) + "0\r\n\r\n"}, want: want{status: 400}},
		{name: "exhaust-idle", want: want{lines: 5, email: "anna@example.com"}, send: idleConnections},
		{name: "exhaust-flood", want: want{lines: -1}, send: flood, check: floodIsCounted},
		{name: "exhaust-flood-admin", want: want{lines: floodAdmin, email: "anna@example.com", status: 200}, send: func(*testing.T, *suite, *attack) {}}, // sent by the flood
	}
}

// idleConnections holds many connections, some with half a request, while an
// administrator works.
func idleConnections(t *testing.T, s *suite, a *attack) {
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	for i := range 300 {
		conn, err := s.dial(a.from)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
		if i%2 == 0 {
			if _, err := io.WriteString(conn, "GET /admin/ HTTP/1.1\r\nHost: panel.example\r\nX-Slow: "); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 5 {
		start := time.Now()
		if _, err := s.exchange(a, s.stranger(), request{as: "anna"}.bytes(s, a)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("an administrator waits %s", took)
		}
	}
}

const (
	floodConnections = 4
	floodEach        = 1000 // requests of a connection
	floodAdmin       = 40   // requests of an administrator meanwhile
)

// flood is requests without credentials, as many as the connections carry, from
// one address, while an administrator works.
func flood(t *testing.T, s *suite, a *attack) {
	one := request{target: "/admin/api/clients"}.bytes(s, a)
	var all sync.WaitGroup
	for range floodConnections {
		conn, err := s.dial(a.from)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close()
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(io.Discard, conn) })
			_, err := conn.Write(bytes.Repeat(one, floodEach-1))
			if err == nil {
				_, err = conn.Write(request{target: "/admin/api/clients", headers: []string{"Connection: close"}}.bytes(s, a))
			}
			if err != nil {
				t.Errorf("flood: %v", err)
			}
			reading.Wait()
		})
	}
	admin := &attack{name: a.name + "-admin"}
	for range floodAdmin {
		if _, err := s.exchange(admin, s.stranger(), request{as: "anna"}.bytes(s, admin)); err != nil {
			t.Errorf("flood: an administrator meanwhile: %v", err)
		}
	}
	all.Wait()
}

// floodIsCounted: few lines, and none of the requests is left out of them.
func floodIsCounted(t *testing.T, a *attack, lines []line) {
	total := 0
	for _, l := range lines {
		total += max(1, l.event.Count)
		if got := l.event.ClientAddress.String(); got != a.from {
			t.Errorf("a record of the flood is from %s, it came from %s", got, a.from)
		}
		if l.event.Count > 0 && (l.event.Since.IsZero() || l.event.StatusCode != http.StatusUnauthorized) {
			t.Errorf("a counted record does not say since when, or of what: %s", l.text)
		}
	}
	if want := floodConnections * floodEach; total != want {
		t.Errorf("the lines speak of %d requests, there were %d", total, want)
	}
	if len(lines) > 300 {
		t.Errorf("%d lines for a flood of one address", len(lines))
	}
}
