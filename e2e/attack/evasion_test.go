package attack

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// evasions try to do something without standing in the trail, or to stand there
// as something else. The panel leaves out GET /assets/ and GET /healthz.
func evasions() []attack {
	var attacks []attack
	add := func(kind, method string, targets []string, more func(*attack)) {
		for i, target := range targets {
			a := attack{
				name:    fmt.Sprintf("evade-%s-%02d", kind, i+1),
				request: request{method: method, target: target, as: "anna"},
			}
			if more != nil {
				more(&a)
			}
			attacks = append(attacks, a)
		}
	}
	// What is meant to be left out is: else the rest would show nothing.
	add("left-out", "GET", []string{"/assets/panel.css", "/assets/icon.svg?v=2", "/healthz"}, func(a *attack) { a.want.none = true })
	// Whatever any server could read as another path is recorded.
	add("path", "GET", []string{
		"/assets/../admin/clients/7650", "/assets/..;/admin/users/7/delete", "/assets/..%5Cadmin", "/assets/.%00./admin",
		"/assets/%252e%252e/admin", "/assets/%2e%2e/admin", "/assets/%2e%2e%2fadmin", "/assets/..%2fadmin", "/assets/.%2e/admin",
		"/assets//../admin", "//assets/panel.css", "/assets/./panel.css", "/./assets/panel.css", "/assets/panel.css/../../admin",
		"/assets/panel.css;jsessionid=1", "/assets;x/panel.css", "/assets/panel.css%3f/admin", "/assets/panel.css%23/admin",
		"/assets/%c0%ae%c0%ae/admin", "/assets/..%c0%afadmin", "/assets/..%255cadmin", "/assets/%25252e%25252e/admin",
		`/assets/..\admin`, `/assets\..\admin`, "/ASSETS/panel.css", "/Assets/panel.css", "/assets", "/assets%2fpanel.css",
		"/assets%2f..%2fadmin", "/assets/%e2%80%a5/admin", "/assets/%0a../admin", "/assets/%09/admin", "/assets/%7f/admin", "/assets/..%3b/admin",
		"/healthz/", "/healthz/..%2fadmin", "//healthz", "/HEALTHZ", "/healthz;x", "/healthz%2f", "/healthz%00", "/healthz%20", "/%68ealthz/", "/healthz/../admin/",
	}, nil)
	add("method", "", []string{"/healthz"}, func(a *attack) { a.method = "POST" })
	attacks = append(attacks,
		attack{name: "evade-method-asset", request: request{method: "DELETE", target: "/assets/panel.css", as: "anna"}},
		attack{name: "evade-method-made-up", request: request{method: "BREW", as: "anna"}, want: want{method: "_OTHER", sent: "BREW", email: "anna@example.com"}},
		attack{name: "evade-method-small", request: request{method: "delete", target: "/admin/api/clients/7651", as: "anna"}, want: want{method: "_OTHER", sent: "delete"}},
		attack{name: "evade-method-long", request: request{method: strings.Repeat("X", 5000), as: "anna"}, want: want{method: "_OTHER"}},
		attack{name: "evade-method-trace", request: request{method: "TRACE", as: "anna"}, want: want{method: "TRACE"}},
		attack{name: "evade-method-connect", request: request{method: "CONNECT", target: "/admin/", as: "anna"}, want: want{method: "CONNECT"}},
		attack{name: "evade-method-override", request: request{method: "POST", as: "anna", headers: []string{"X-HTTP-Method-Override: GET", "X-Method-Override: GET", "X-HTTP-Method: GET"}},
			want: want{method: "POST"}},
		attack{name: "evade-method-override-query", request: request{method: "POST", target: "/admin/api/clients?_method=GET", as: "anna"}, want: want{method: "POST", urlHas: []string{"_method=GET"}}},
	)
	// What the server refuses itself reached no handler.
	add("refused", "GET", []string{"/assets/%uff0e%uff0e/admin", "/admin/%", "/admin/%g0", "admin/clients", "http://[::1/admin/"}, func(a *attack) { a.want = want{none: true, answer: http.StatusBadRequest} })
	attacks = append(attacks, hostEvasions()...)
	attacks = append(attacks, typeEvasions()...)
	attacks = append(attacks, hidden()...)
	return append(attacks, streams()...)
}

// hostEvasions put the path out of sight, or the request on another host.
func hostEvasions() []attack {
	const path = "/admin/api/clients/7652"
	long := strings.Repeat("a", 2100) + ".example"
	sees := func(parts ...string) want { return want{email: "anna@example.com", urlHas: parts} }
	return []attack{
		{name: "host-foreign", request: request{target: path, host: "static.example", as: "anna"}, want: sees("http://static.example" + path)},
		{name: "host-none", request: request{target: path, host: "-", proto: "HTTP/1.0", as: "anna"}, want: sees(path)},
		{name: "host-empty", request: request{target: path, host: " ", as: "anna"}, want: sees(path)},
		{name: "host-long", request: request{target: path, host: long, as: "anna"}, want: sees(path)},
		{name: "host-long-labels", request: request{target: path, host: strings.Repeat("a.", 3000), as: "anna"}, want: sees(path)},
		{name: "host-long-port", request: request{target: path, host: "a:" + strings.Repeat("9", 3000), as: "anna"}, want: sees(path)},
		{name: "host-user-info", request: request{target: path, host: "panel.example@evil.example", as: "anna"}, want: want{none: true}},
		{name: "host-absolute", request: request{target: "http://other.example" + path, as: "anna"}, want: sees("other.example" + path)},
		{name: "host-absolute-long", request: request{target: "http://" + long + path, as: "anna"}, want: sees(path)},
		{name: "host-absolute-asset", request: request{target: "http://x/assets/../admin/", as: "anna"}, want: want{urlHas: []string{"/admin/"}}},
		{name: "host-forwarded-long", from: proxyAddress, request: request{target: path, as: "anna", headers: []string{"X-Forwarded-For: 203.0.113.80", "X-Forwarded-Host: " + long}}, want: sees(path)},
		{name: "host-forwarded-path", from: proxyAddress, request: request{target: path, as: "anna", headers: []string{"X-Forwarded-For: 203.0.113.81", "X-Forwarded-Host: evil.example/assets/"}}, want: sees(path)},
	}
}

// typeEvasions ask on behalf of a program or a person that they are not.
func typeEvasions() []attack {
	page, api := want{typ: "WEB"}, want{typ: "API"}
	return []attack{
		{name: "type-accept", request: request{target: "/admin/clients", as: "browser", headers: []string{"Accept: application/json"}}, want: page},
		{name: "type-key", request: request{target: "/admin/clients", as: "browser", headers: []string{"X-Api-Key: x"}}, want: page},
		{name: "type-ajax", request: request{target: "/admin/clients", as: "browser", headers: []string{"X-Requested-With: XMLHttpRequest"}}, want: page},
		{name: "type-fetch", request: request{target: "/admin/clients", as: "browser", headers: []string{"Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"}}, want: page},
		{name: "type-content", request: request{method: "POST", target: "/admin/clients", as: "browser", headers: []string{"Content-Type: application/json"}, body: "{}"}, want: page},
		{name: "type-browser-on-api", request: request{as: "anna", headers: []string{"Accept: text/html", "Sec-Fetch-Dest: document"}}, want: api},
		{name: "type-dots", request: request{target: "/admin/./api/clients", as: "anna"}},
	}
}

// hidden are paths and queries in which the telling part is written otherwise,
// or pushed out of sight.
func hidden() []attack {
	pad := strings.Repeat("p", 2500)
	attacks := []attack{
		{name: "hide-digits", request: request{method: "DELETE", target: "/admin/api/clients/%37%36%35%33", as: "anna"}, want: want{status: 204, people: []string{"clients/7653"}}},
		{name: "hide-letters", request: request{target: "/admin/api/%63lients/7654", as: "anna"}, want: want{people: []string{"clients/7654"}}},
		{name: "hide-slash", request: request{target: "/admin/api/clients%2f7655", as: "anna"}},
		{name: "hide-unicode", request: request{target: "/admin/api/clients?search=%C5%BCaba", as: "anna"}, want: want{people: []string{"żaba"}}},
		{name: "hide-emoji", request: request{target: "/admin/api/clients?search=%F0%9F%94%A5", as: "anna"}, want: want{people: []string{"🔥"}}},
		{name: "hide-pad", request: request{target: "/admin/api/clients?pad=" + pad + "&x=drop-all", as: "anna"}, want: want{urlHas: []string{"/admin/api/clients", "pad=", "x=drop-all"}}},
		{name: "hide-pad-twice", request: request{target: "/admin/api/clients?a=" + pad + "&b=" + pad + "&action=wipe", as: "anna"}, want: want{urlHas: []string{"a=", "b=", "action=wipe"}}},
		{name: "hide-pad-name", request: request{target: "/admin/api/clients?" + pad + "=1&action=wipe", as: "anna"}, want: want{urlHas: []string{"/admin/api/clients"}}},
		{name: "hide-path", request: request{target: "/admin/clients/" + strings.Repeat("7", 3000) + "/delete", as: "browser"}, want: want{urlHas: []string{"/admin/clients/777"}}},
		{name: "hide-agent", request: request{agent: strings.Repeat("u", 5000), as: "anna"}, want: want{email: "anna@example.com"}},
	}
	// The client chooses the request's id: repeated, it hides nothing.
	for i := range 3 {
		attacks = append(attacks, attack{
			name:    fmt.Sprintf("hide-request-id-%d", i+1),
			request: request{target: fmt.Sprint("/admin/api/clients/", 7656+i), as: "anna", headers: []string{"X-Request-Id: the-same"}},
		})
	}
	return attacks
}

// streams are several requests on one connection, or what could pass for them.
func streams() []attack {
	const pipelined = 20
	inner := "DELETE /admin/api/clients/7659 HTTP/1.1\r\nHost: panel.example\r\nAuthorization: Bearer demo-token-anna\r\n\r\n"
	return []attack{
		{name: "pipeline", want: want{lines: pipelined, email: "anna@example.com", status: 200},
			send: func(t *testing.T, s *suite, a *attack) {
				conn, err := s.dial(a.from)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for i := range pipelined {
					if _, err := conn.Write(request{target: fmt.Sprint("/admin/api/clients/", 7660+i), as: "anna"}.bytes(s, a)); err != nil {
						t.Fatal(err)
					}
				}
				answers := bufio.NewReader(conn)
				for range pipelined {
					resp, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatalf("pipeline: %v", err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
				}
			},
			check: func(t *testing.T, _ *attack, lines []line) {
				for i, l := range lines {
					if want := fmt.Sprint("/clients/", 7660+i); !strings.HasSuffix(l.event.URL, want) {
						t.Errorf("request %d is recorded as %s, want …%s", i+1, l.event.URL, want)
					}
				}
			}},
		{name: "stream-body", request: request{method: "POST", target: "/admin/api/clients", as: "anna", body: inner}, want: want{method: "POST", status: 400}},
		{name: "stream-length-and-chunks", request: request{method: "POST", target: "/admin/api/clients", as: "anna",
			headers: []string{"Content-Length: 4", "Transfer-Encoding: chunked"}, body: "0\r\n\r\n" + inner}, want: want{method: "POST"}},
		{name: "stream-two-lengths", request: request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Content-Length: 5", "Content-Length: 6", "Transfer-Encoding: x"}, body: "hello"}, want: want{none: true}},
		{name: "stream-chunks-of-chunks", request: request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Transfer-Encoding: chunked, chunked"}, body: "0\r\n\r\n"}, want: want{none: true}},
		{name: "stream-bad-chunk", request: request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Transfer-Encoding: chunked"}, body: "zz\r\nhello\r\n0\r\n\r\n"}, want: want{method: "POST", email: "anna@example.com"}},
		{name: "stream-expect", request: request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Expect: 200-maybe"}, body: "{}"}, want: want{none: true, answer: http.StatusExpectationFailed}},
		{name: "stream-continue", request: request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Expect: 100-continue"}, body: "{}"}, want: want{method: "POST", status: 422}},
		{name: "stream-upgrade", request: request{as: "anna", headers: []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}}, want: want{status: 200}},
		{name: "stream-bare-lf", request: request{target: "/admin/api/clients/7680", as: "anna", headers: []string{"X-A: b\nX-C: d"}}, want: want{lines: 1}},
		{name: "stream-folded-header", request: request{as: "anna", headers: []string{"X-A: b\r\n folded"}}, want: want{lines: -1}},
		{name: "stream-space-before-colon", request: request{as: "anna", headers: []string{"X-A : b"}}, want: want{none: true}},
		{name: "stream-old", request: request{proto: "HTTP/0.9", as: "anna"}, want: want{none: true}},
	}
}
