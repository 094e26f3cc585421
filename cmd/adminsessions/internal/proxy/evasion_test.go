package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
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

// Whoever is signed in must not be able to write his cookie so that the panel
// reads it and the proxy does not.
func TestNobodyHidesBehindTheWayHeWritesHisCookie(t *testing.T) {
	for _, cookie := range []string{
		`php_sid=anna`, `php_sid="anna"`, `php_sid="\141nna"`, `php.sid=anna`, `%70hp_sid=anna`, `php_sid =anna`, `a=b;php_sid=anna`,
		`a=b,php_sid=anna`, `php_sid=an,na`, `php_sid=\anna`, `PHP_SID=anna`, `"php_sid"=anna`, "a=\xff; php_sid=anna",
	} {
		var sent atomic.Value
		r := newRig(t, "who: [{lookup: {url: /me, cookies: [php_sid]}}]", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/me" {
				sent.Store(r.Header.Get("Cookie"))
				fmt.Fprint(w, `{"email":"anna@example.com"}`)
			}
		}))
		r.do("GET", "/", "", "Cookie", cookie)
		e := r.only()
		if e.User.Email != "anna@example.com" || e.SessionID == "" {
			t.Errorf("%q: recorded %s", cookie, e.Line())
		}
		if text, _ := sent.Load().(string); !strings.Contains(cookie, text) {
			t.Errorf("%q: the panel was asked with %q", cookie, text)
		}
	}
}

func TestNobodyHidesBehindTheWayHeWritesHisPassword(t *testing.T) {
	const unknown = "admin.who"
	for values, want := range map[string]string{
		"Basic YW5uYTpwdw==":                "anna",
		"basic YW5uYTpwdw==":                "anna",
		"Basic  YW5uYTpwdw==":               "anna",
		"Basic YW5uYTpwdw":                  "anna", // PHP takes it
		"Basic YW5u*YTpwdw==":               "anna",
		"Basic YW5uYTpwdw==;Basic YmVuOnB3": "",
		"Basic YW5uYTpwdw==;Bearer x":       "",
		"Basic YW5uYQ==":                    "", // no colon
		"Basic YW5uYTp3aXRoOmNvbG9ucw==":    "anna",
		"Basic " + "w7zDtsOkOnB3":           "üöä",
	} {
		var headers []string
		for v := range strings.SplitSeq(values, ";") {
			headers = append(headers, "Authorization", v)
		}
		r := newRig(t, "who: [{basic: {}}]", http.HandlerFunc(seen))
		r.do("GET", "/", "", headers...)
		if e := r.only(); e.User.ID != want || (attributes(e)[unknown] == "") != (want != "") || strings.Contains(e.Line(), ":pw") {
			t.Errorf("%q: recorded %s", values, e.Line())
		}
	}
}

// Two tokens are read by the panel one way or the other: the record says that it
// does not know.
func TestTwoTokensAreSaidToBeThere(t *testing.T) {
	i := newIssuer(t)
	token := sign(t, i.key, jose.ES256, "1", map[string]any{"iss": i.URL, "aud": "panel", "sub": "7", "exp": time.Now().Add(time.Hour).Unix()})
	for from, headers := range map[string][]string{
		"header: X-T": {"X-T", token, "X-T", "x.y.z"},
		"cookie: t":   {"Cookie", "t=" + token + "; t=x"},
		"header: X-U": {"X-U", strings.Repeat("a", 20<<10) + ".b.c"},
	} {
		r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel, %s}}]", i.URL, from), http.HandlerFunc(seen))
		r.do("GET", "/", "", headers...)
		if e := r.only(); !e.User.IsZero() || attributes(e)[whoKey] == "" {
			t.Errorf("%s: recorded %s", from, e.Line())
		}
	}
}

// A token that can't be checked is not one that was refused.
func TestKeysThatAreAwayAreSaidToBe(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(away.Close)
	i := newIssuer(t)
	token := sign(t, i.key, jose.ES256, "1", map[string]any{"iss": i.URL, "aud": "panel", "exp": time.Now().Add(time.Hour).Unix()})
	r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel, jwks: '%s/keys'}}]", i.URL, away.URL), http.HandlerFunc(seen))
	for range 3 {
		r.do("GET", "/", "", "Authorization", "Bearer "+token)
	}
	for _, e := range r.requests() {
		if who := attributes(e)[whoKey]; who != "the keys of the token's issuer could not be had" {
			t.Errorf("recorded %s", e.Line())
		}
	}
}

// A stranger with cookies on which the panel stumbles, and with thousands that he
// makes up, hides nobody else.
func TestStrangersHideNobody(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, "who: [{lookup: {url: /me, cookies: [sid]}}]", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch c, _ := r.Cookie("sid"); {
		case r.URL.Path != "/me":
		case c.Value == "anna":
			asked.Add(1)
			fmt.Fprint(w, `{"email":"anna@example.com"}`)
		case strings.HasPrefix(c.Value, "stumble"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	r.do("GET", "/anna", "", "Cookie", "sid=anna")
	for n := range 2 * circuitAfter {
		r.do("GET", "/x", "", "Cookie", fmt.Sprint("sid=stumble", n))
	}
	l := r.g.identifiers[0].(*lookup)
	for n := range maxSessions {
		l.others.Add(sessionKey{1, byte(n), byte(n >> 8)}, &answer{})
	}
	r.do("GET", "/anna", "", "Cookie", "sid=anna")
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	l.known.Purge()
	r.do("GET", "/anna", "", "Cookie", "sid=anna")
	for _, e := range r.requests() {
		if strings.HasSuffix(e.URL, "/anna") && e.User.Email != "anna@example.com" {
			t.Errorf("recorded %s", e.Line())
		}
	}
}

// OPTIONS * is a request like any other, for the panel to answer.
func TestNoRequestIsAnsweredUnseen(t *testing.T) {
	panel := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, r.RequestURI) }))
	panel.Config.DisableGeneralOptionsHandler = true
	panel.Start()
	t.Cleanup(panel.Close)
	r := run(t, "upstreams: [{url: '"+panel.URL+"'}]\n")
	address, _, _ := r.Addresses()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: panel\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "OPTIONS*") {
		t.Errorf("answered %q, %v", answer, err)
	}
}
